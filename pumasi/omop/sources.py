"""Which tables of the CDM have a source: declared here, never inferred from the data.

A table without a source in a site's format is a table all the same, with every column and no row.
What is declared is not a finding: a check has nothing to judge there.
"""

from __future__ import annotations

from collections.abc import Mapping

from pumasi.omop.cdm import cdm_tables

# Made from what every format delivers.
_OF_EVERY_FORMAT = frozenset(
    {
        "person",
        "observation_period",
        "visit_occurrence",
        "condition_occurrence",
        "drug_exposure",
        "procedure_occurrence",
        "measurement",
        "observation",
        "death",
        "drug_era",
        "condition_era",
        "cdm_source",
    }
)
# What a format has besides; no delivery must bring it.
_OF_FORMAT: Mapping[str, frozenset[str]] = {
    "omop_cdm": frozenset(
        {
            "visit_detail",
            "device_exposure",
            "specimen",
            "note",
            "payer_plan_period",
            "cost",
            "episode",
            "dose_era",
            "location",
            "care_site",
            "provider",
        }
    ),
    "fhir_r4": frozenset({"location", "care_site", "provider"}),
    "synthea_csv": frozenset(
        {"device_exposure", "payer_plan_period", "cost", "care_site", "provider"}
    ),
    "hospital_csv": frozenset(),
}
_VOCABULARY = frozenset(t.name for t in cdm_tables().values() if t.schema == "VOCAB")
# Tables without rows at a site whose format has none for them, or whose delivery brought none.
OPTIONAL_TABLES = frozenset(cdm_tables()) - _OF_EVERY_FORMAT - _VOCABULARY


def has_source(table: str) -> bool:
    """Say whether any format fills the table; the vocabularies have theirs."""
    return table not in OPTIONAL_TABLES or any(table in each for each in _OF_FORMAT.values())


def tables_without_source(source_format: str) -> frozenset[str]:
    """Return the tables that stay empty at a site of the format; KeyError if there is none such."""
    return OPTIONAL_TABLES - _OF_FORMAT[source_format]
