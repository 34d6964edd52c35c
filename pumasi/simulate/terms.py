"""Terms of the simulator and the codes that hospitals write for them.

`codes/terms.csv` has one row per term: its concept, the code of the kind's standard code system
(SNOMED for conditions and procedures, LOINC for tests, RxNorm for drugs; empty where none is
verified), its KCD code, and a local code that is plainly made up (`SIM-…`). `verification` is V, W
or local, as in the clinical fact sheet, which `source` names by its section.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

SYSTEMS = {
    "condition": "SNOMED",
    "procedure": "SNOMED",
    "observation": "LOINC",
    "test": "LOINC",
    "drug": "RxNorm",
}
TEXTS = ("term", "kind", "name", "code", "kcd", "local_code", "unit", "verification", "source")
# All of them are asthma, whatever the fourth digit: J45.0, .1, .8 and .9.
ASTHMA_KCD = ("J45.0", "J45.1", "J45.8", "J45.9")


@cache
def terms() -> pa.Table:
    """Return the terms, one row each: texts, `concept_id` (int64) and `strength` (float)."""
    types = {name: pa.string() for name in TEXTS}
    return _read("terms.csv", {**types, "concept_id": pa.int64(), "strength": pa.float64()})


@cache
def units() -> pa.Table:
    """Return the units, one row each: UCUM code and concept id, 0 where none is verified."""
    return _read("units.csv", {"unit": pa.string(), "concept_id": pa.int64()})


@cache
def routes() -> pa.Table:
    """Return the routes that have a verified concept, one row each: `route` and `concept_id`."""
    return _read("routes.csv", {"route": pa.string(), "concept_id": pa.int64()})


@cache
def kcd_concepts() -> pa.Table:
    """Return what a KCD code means, one row each: `code` and `concept_id`.

    The code decides, not what the doctor meant: E75.2 is other sphingolipidosis, also for a person
    with Fabry disease. Where several terms share a code, the one whose name it is comes last.
    """
    found: dict[str, int] = {}
    for row in terms().filter(pc.equal(terms()["kind"], "condition")).to_pylist():
        if row["kcd"]:
            first = row["kcd"] not in found
            if first or row["term"] == "other_sphingolipidosis":
                found[row["kcd"]] = row["concept_id"]
    found |= dict.fromkeys(ASTHMA_KCD, found["J45.9"])
    return pa.table({"code": list(found), "concept_id": pa.array(found.values(), pa.int64())})


def _read(name: str, types: dict[str, pa.DataType]) -> pa.Table:
    file = resources.files(__package__).joinpath("codes", name)
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    with file.open("rb") as stream:
        return csv.read_csv(stream, convert_options=options)
