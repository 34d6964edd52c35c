"""The columns of the tables of a life: the seam between the layers, life and record.

The tables hold *terms*, the plain names of conditions, drugs and tests; codes belong to the record.
Days are dates, values are in the test's canonical unit.
"""

from __future__ import annotations

import pyarrow as pa

# A word from a short list: two bytes a row, and the list once a table.
WORD = pa.dictionary(pa.int16(), pa.string())
DAY = pa.date32()
# The last has come after the others: none is treated with it, and its effect is known.
FABRY_DRUGS = ("agalsidase_beta", "agalsidase_alfa", "migalastat", "pegunigalsidase")
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
        # From here on: had everyone, from time zero on (the first drug, or else the diagnosis).
        ("time_zero", DAY),
        ("propensity_treated", pa.float64()),
        *((f"propensity_{drug}", pa.float64()) for drug in FABRY_DRUGS[:3]),
        *(
            (f"{outcome}__{strategy}", kind)
            for strategy in ("none", *FABRY_DRUGS)
            for outcome, kind in (
                ("egfr_slope", pa.float64()),
                ("lvmi_change", pa.float64()),
                ("composite_date", DAY),
                ("death_date", DAY),
            )
        ),
    ),
    # One row per carrier and first of January within records: what is true then.
    "fabry_years": _schema(
        ("year", pa.int16()),
        ("egfr", pa.float64()),
        ("egfr_untreated", pa.float64()),
        ("upcr", pa.float64()),
        ("lvmi", pa.float64()),
        ("lvmi_untreated", pa.float64()),
        ("treated", pa.bool_()),
    ),
}
