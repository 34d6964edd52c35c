"""Flower's node and its starter of apps look for work twice a second.

Flower's own wait 3 seconds and 1 second between two looks, and an exchange takes as long as the
last of its hospitals.
"""

from __future__ import annotations

import time
from importlib import import_module
from types import SimpleNamespace

# Seconds between two looks.
LOOK = 0.5


def often(module: str) -> None:
    """Let a module of Flower's, which sleeps between looks and uses `time` for nothing else."""
    found = import_module(module)
    found.time = SimpleNamespace(  # type: ignore[attr-defined]
        sleep=lambda seconds: time.sleep(min(seconds, LOOK))
    )
