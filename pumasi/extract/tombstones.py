"""Tombstones: the keyed hashes of persons who withdrew, which outlive everything else of them.

A hospital has one file of them. It is written before anything is purged, and says of each person
whether the purge has ended: where it has not, nothing may be built or opened until it has.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pumasi.atomic import write_text
from pumasi.config import SitePaths
from pumasi.errors import WithdrawalError


@dataclass(frozen=True)
class Tombstone:
    """One person who withdrew: the keyed hash, the day, and whether nothing else is left of it."""

    person_id: int
    withdrawn: date
    is_purged: bool = False


def load_tombstones(paths: SitePaths) -> tuple[Tombstone, ...]:
    """Every tombstone of the site, by keyed hash; none if there is no file.

    Raises:
        WithdrawalError: the file can't be read, so nobody knows who withdrew.
    """
    try:
        said: list[dict[str, Any]] = json.loads(paths.tombstones.read_text(encoding="utf-8"))
        return tuple(
            Tombstone(
                int(each["person_id"]),
                date.fromisoformat(each["withdrawn"]),
                bool(each["is_purged"]),
            )
            for each in said
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        raise WithdrawalError(
            f"site {paths.root.name}: {paths.tombstones.name} can't be read, so nobody knows who "
            "withdrew; bring it back from the safe copy"
        ) from None


def withdrawn_persons(paths: SitePaths) -> frozenset[int]:
    """Keyed hashes of everybody who withdrew."""
    return frozenset(each.person_id for each in load_tombstones(paths))


def save_tombstones(paths: SitePaths, tombstones: Iterable[Tombstone]) -> None:
    """Write all tombstones of the site, at once or not at all; only this user may read them."""
    for left in paths.root.glob(f".{paths.tombstones.name}.*"):
        left.unlink()  # of a process that was killed
    ordered = sorted(tombstones, key=lambda each: each.person_id)
    text = json.dumps([asdict(each) for each in ordered], indent=1, default=str)
    write_text(paths.tombstones, text + "\n", mode=0o600)


def require_purged(paths: SitePaths) -> None:
    """Refuse to go on while somebody who withdrew may still be in what the site holds.

    Raises:
        WithdrawalError: a withdrawal did not end.
    """
    if not all(each.is_purged for each in load_tombstones(paths)):
        raise WithdrawalError(
            f"site {paths.root.name}: a withdrawal did not end; "
            f"`pumasi person withdraw --finish --site {paths.root.name}` ends it"
        )
