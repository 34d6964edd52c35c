"""Parameters of the simulator: JSON files, every block of which says where its numbers come from.

The numbers are data so that a reader can check each against its source, and change it without
reading code. A block's `src` carries the tags of the clinical fact sheet: V verified, W weakly
verified, G general knowledge, D derived, A assumed.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from pumasi.errors import ConfigError

Parameters = dict[str, Any]

_TAG = re.compile(r"\b(V|W|G|D|A)\b")


@cache
def parameters(name: str) -> Parameters:
    """Return the blocks of `parameters/<name>.json`, read once.

    Every block of the file (an object on its first level) has a `src` with at least one tag.
    Raises ConfigError when the file is missing, is not JSON, or a block does not say its source.
    The result is shared: don't change it, make a copy.
    """
    file = resources.files(__package__).joinpath("parameters", f"{name}.json")
    try:
        blocks = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there are no simulation parameters {name!r}") from None
    except json.JSONDecodeError as problem:
        raise ConfigError(f"simulation parameters {name!r}: {problem}; mend the file") from None
    return checked(name, blocks)


def checked(name: str, blocks: object) -> Parameters:
    """Return `blocks` if it is an object of blocks with sources; `name` is for the message."""
    if not isinstance(blocks, dict):
        raise ConfigError(f"simulation parameters {name!r} must be an object of blocks")
    for key, block in blocks.items():
        source = block.get("src") if isinstance(block, dict) else None
        if not isinstance(source, str) or not _TAG.search(source):
            raise ConfigError(
                f"simulation parameters {name!r}: block {key!r} needs a `src` with a tag V, W, G, "
                "D or A"
            )
    return blocks
