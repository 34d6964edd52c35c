"""What to do about a failed check, by its kind: data, the first row that fits.

`remedies.csv` lies beside this module; its patterns are those of the shell.
"""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pumasi.quality import Outcome, Status

_COULD_NOT = (
    "The check itself broke, so nothing is known. Read the log of the build; the gate stays closed "
    "until it runs."
)


def remedy(outcome: Outcome) -> str:
    """Return what to do about an outcome that failed or could not be checked."""
    if outcome.status is Status.ERROR:
        return _COULD_NOT
    return next(
        said
        for source, pattern, said in _remedies()
        if fnmatchcase(outcome.source, source) and fnmatchcase(outcome.name, pattern)
    )


@cache
def _remedies() -> list[tuple[str, str, str]]:
    path = Path(__file__).with_name("remedies.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["source"], row["pattern"], row["remedy"]) for row in csv.DictReader(stream)]
