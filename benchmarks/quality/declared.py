"""What fails in hospitals in which nothing is wrong, and is accepted: read from `declared.csv`.

Each row has its reason. A check that is declared for `all` hospitals names no fault anywhere.
"""

import csv
from pathlib import Path

DECLARED = Path(__file__).with_name("declared.csv")


def declared() -> set[tuple[str, str]]:
    """Hospital (or `all`) and check of each accepted failure."""
    with DECLARED.open(encoding="utf-8", newline="") as stream:
        return {(row["hospital"], row["check"]) for row in csv.DictReader(stream)}
