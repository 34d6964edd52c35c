"""The limits of the checks of a whole record and of what reading leaves, each with its source.

`limits.csv` lies beside this module.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path


@cache
def limits() -> dict[str, float]:
    """Every limit by its name."""
    path = Path(__file__).with_name("limits.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["name"]: float(row["limit"]) for row in csv.DictReader(stream)}
