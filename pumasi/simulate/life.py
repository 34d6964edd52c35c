"""A life: what is true of persons, whether or not a hospital ever wrote it down.

The tables of `Life` are the seam between the layers: life fills them, record reads them. They hold
*terms*, the plain names of conditions, drugs and tests; codes belong to the record. Days are dates,
values are in the test's canonical unit. No row lies after a person's death.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import pyarrow as pa

# A word from a short list: two bytes a row, and the list once a table.
WORD = pa.dictionary(pa.int16(), pa.string())
DAY = pa.date32()
PERSON = pa.field("person", pa.int64(), nullable=False)


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    """Return a schema of `columns`, the first of which is the person."""
    return pa.schema([PERSON, *(pa.field(name, kind) for name, kind in columns)])


SCHEMAS: dict[str, pa.Schema] = {
    # One row per person.
    "persons": _schema(
        ("hospital", WORD),
        ("second_hospital", WORD),
        ("birth_date", DAY),
        ("female", pa.bool_()),
        ("entry_date", DAY),
        ("death_date", DAY),
        ("bmi", pa.float64()),
        ("smoker", pa.bool_()),
        ("ses_low", pa.bool_()),
        ("confounder", pa.float64()),
        ("family", pa.int64()),
        ("fabry_group", WORD),
        ("variant", WORD),
        ("amenable", pa.bool_()),
        ("asthma", pa.bool_()),
        ("endotype", WORD),
        ("asthma_onset", DAY),
        ("frailty", pa.float64()),
    ),
    # One row per person and chronic condition or manifestation.
    "onsets": _schema(
        ("condition", WORD), ("onset_date", DAY), ("recognised_date", DAY), ("note", WORD)
    ),
    # One row per acute event.
    "events": _schema(("event", WORD), ("date", DAY)),
    # One row per asthma attack.
    "attacks": _schema(("date", DAY), ("kind", WORD), ("days", pa.int16()), ("fatal", pa.bool_())),
    # One row per contact with a hospital.
    "visits": _schema(
        ("date", DAY), ("kind", WORD), ("days", pa.int16()), ("specialty", WORD), ("reason", WORD)
    ),
    # One row per dispensing or administration; `dose` in mg a day (ug a day when inhaled).
    "treatments": _schema(
        ("drug", WORD),
        ("start_date", DAY),
        ("days_supply", pa.int16()),
        ("quantity", pa.float64()),
        ("dose", pa.float64()),
        ("route", WORD),
    ),
    # One row per test that a doctor could have asked for; `done` says whether one did.
    "tests": _schema(
        ("date", DAY),
        ("test", WORD),
        ("value", pa.float64()),
        ("value_term", WORD),
        ("done", pa.bool_()),
    ),
    # One row per carrier or decoy.
    "fabry": _schema(
        ("group", WORD),
        ("variant", WORD),
        ("symptom_onset", DAY),
        ("suspicion_date", DAY),
        ("diagnosis_date", DAY),
        ("misdiagnosis", WORD),
        ("undiagnosed", pa.bool_()),
        ("egfr_slope_untreated", pa.float64()),
        ("treated_from", DAY),
        ("drug", WORD),
    ),
}


@dataclass(frozen=True)
class Life:
    """The tables of one chunk; `SCHEMAS` says the columns of those that are fixed.

    `asthma_months` (one row per asthmatic and month) and `fabry_years` (one row per carrier and
    year of age) are truth that no record is made of; their columns are those of the disease models.
    """

    persons: pa.Table
    onsets: pa.Table
    events: pa.Table
    attacks: pa.Table
    visits: pa.Table
    treatments: pa.Table
    tests: pa.Table
    fabry: pa.Table
    asthma_months: pa.Table
    fabry_years: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables by name, in a fixed order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
