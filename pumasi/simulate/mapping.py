"""The mapping tables of the made-up hospitals: what each one's codes mean, from the terms.

`network/<hospital>/source_to_concept_map.csv` is what a hospital's own people write by hand; here
it follows from `codes/terms.csv`, and a test holds the files to it. Only codes that the vocabulary
does not lead to the right concept by itself are in a table. bada delivers concepts and needs none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from pumasi.omop.project import project_concepts
from pumasi.simulate.terms import SYSTEMS, kcd_concepts, routes, terms
from pumasi.simulate.writers.fhir_r4 import OWN_SYSTEM

HOSPITALS = ("haneul", "sup", "deul")
# What the reading of hospital_csv calls the hospital's own code systems.
_LOCAL = {
    "drug": "LOCAL_ORDER",
    "test": "LOCAL_LAB",
    "value": "LOCAL_VALUE",
    "procedure": "LOCAL_PROCEDURE",
    "observation": "LOCAL_PROCEDURE",
}
_HEADER = (
    "source_code", "source_concept_id", "source_vocabulary_id", "source_code_description",
    "target_concept_id", "target_vocabulary_id", "valid_start_date", "valid_end_date",
    "invalid_reason",
)  # fmt: skip

Row = tuple[str, str, str, int]


def concept_map(hospital: str) -> str:
    """Return the text of the hospital's mapping table, in OMOP's layout."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    rows = _haneul() if hospital == "haneul" else _standard(hospital)
    for code, vocabulary, name, concept in rows:
        target = project_concepts()[concept].vocabulary
        writer.writerow(
            (code, 0, vocabulary, name, concept, target, "1970-01-01", "2099-12-31", "")
        )
    return text.getvalue()


def _haneul() -> Iterator[Row]:
    """KCD, of which the vocabulary has nothing, and the codes of the house."""
    names = {row["kcd"]: row["name"] for row in reversed(terms().to_pylist()) if row["kcd"]}
    for row in kcd_concepts().to_pylist():
        name = names.get(row["code"], "asthma")
        yield row["code"], "KCD7", name, row["concept_id"]
    for row in terms().to_pylist():
        if row["kind"] != "condition":
            yield row["local_code"], _LOCAL[row["kind"]], row["name"], row["concept_id"]
    for row in routes().to_pylist():
        yield row["route"], "LOCAL_ROUTE", row["route"], row["concept_id"]


def _standard(hospital: str) -> Iterator[Row]:
    """What is written without a code of a standard system, or with one of a local concept."""
    known = {(c.vocabulary, c.code): c.concept_id for c in project_concepts().values()}
    for row in terms().to_pylist():
        kind, code = row["kind"], row["code"]
        if kind == "value":
            system = OWN_SYSTEM if hospital == "sup" else "LOCAL_VALUE"
        elif code:
            system = SYSTEMS[kind]
        else:
            system = OWN_SYSTEM if hospital == "sup" else SYSTEMS[kind]
        written = code or row["local_code"]
        if known.get((system, written)) != row["concept_id"]:
            yield written, system, row["name"], row["concept_id"]
    # The other format has no place for a route.
    for row in routes().to_pylist() if hospital == "sup" else ():
        yield row["route"].upper(), OWN_SYSTEM, row["route"], row["concept_id"]
