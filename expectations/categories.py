"""Which Kahn categories each table has checks of, known without making the suites.

Making them imports Great Expectations, which takes six seconds; Dagster must know its asset checks
whenever a code location loads. A test holds this against the suites.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import get_args

from pumasi.omop.cdm import cdm_tables
from pumasi.quality import Category
from pumasi.quality.catalogue import build_checks

_CONTENT: tuple[Category, ...] = ("completeness", "plausibility")
_ALL: tuple[Category, ...] = ("conformance", "completeness", "plausibility")

# Of the suites; what the catalogue checks is added. Of the other OMOP tables it is completeness, of
# their rows.
_SUITES: Mapping[str, tuple[Category, ...]] = {
    "person": ("completeness",),
    "observation_period": ("completeness",),
    "death": _CONTENT,
    "visit_occurrence": _CONTENT,
    "condition_occurrence": _ALL,
    "drug_exposure": ("completeness",),
    "procedure_occurrence": ("completeness",),
    "measurement": _CONTENT,
    "observation": ("completeness",),
    "condition_era": ("conformance", "completeness"),
    "drug_era": ("conformance", "completeness"),
    "cdm_source": ("conformance", "completeness"),
    "asthma__cohort": _ALL,
    "asthma__exacerbations": _ALL,
    "gi_bleed__new_users": _ALL,
    "core__charlson": _ALL,
    "core__comedication": _ALL,
    "fabry__kidney_course": _ALL,
    "fabry__evidence": _ALL,
    "fabry__cohort": _ALL,
    "fabry__screening_features": _ALL,
    "asthma__treatment_episodes": _ALL,
    "asthma__risk_features": _ALL,
}


def categories() -> dict[str, tuple[Category, ...]]:
    """Categories of the checks of each table that has a suite, in the order of Kahn et al."""
    found: dict[str, set[Category]] = defaultdict(set)
    for check in build_checks():
        found[check.table].add(check.type.category)
    for table in cdm_tables().values():
        if table.schema != "VOCAB":
            found[table.name].add("completeness")
    for name, of_suite in _SUITES.items():
        found[name].update(of_suite)
    order: tuple[Category, ...] = get_args(Category)
    return {name: tuple(c for c in order if c in of_table) for name, of_table in found.items()}
