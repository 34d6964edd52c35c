"""The project's vocabulary: the concepts that its concept sets and made-up hospitals need.

A folder in Athena's layout, so that the same code reads it and Athena's own. It is no vocabulary
for a real hospital: a code that none of our concept sets names is not in it. Two columns of
`concept.csv` are ours: `verification` (V, W or local) and `source`; README.md there explains them.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT_VOCABULARY = Path(__file__).parent / "vocabulary"
# Facts that have no verified standard concept: OMOP leaves ids from two thousand million to sites.
LOCAL_VOCABULARY = "PUMASI"
FIRST_LOCAL_CONCEPT = 2_000_000_000


@dataclass(frozen=True)
class Concept:
    """A concept of the project's vocabulary, with how far it was verified and where."""

    concept_id: int
    name: str
    domain: str
    vocabulary: str
    code: str
    standard: bool
    verification: str
    source: str


@cache
def project_concepts() -> dict[int, Concept]:
    """Every concept of the project's vocabulary by its id, in the order of ids."""
    with (PROJECT_VOCABULARY / "concept.csv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {int(row["concept_id"]): _concept(row) for row in rows}


def _concept(row: dict[str, str]) -> Concept:
    return Concept(
        concept_id=int(row["concept_id"]),
        name=row["concept_name"],
        domain=row["domain_id"],
        vocabulary=row["vocabulary_id"],
        code=row["concept_code"],
        standard=row["standard_concept"] == "S",
        verification=row["verification"],
        source=row["source"],
    )
