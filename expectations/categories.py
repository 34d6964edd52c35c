"""Which Kahn categories the suite of each table has checks of, known without making the suites.

Making them imports Great Expectations, which takes six seconds; Dagster must know its asset checks
whenever a code location loads. A test holds this against the suites.
"""

from __future__ import annotations

from collections.abc import Mapping

from pumasi.quality import Category

_CONTENT: tuple[Category, ...] = ("completeness", "plausibility")
_ALL: tuple[Category, ...] = ("conformance", "completeness", "plausibility")

CATEGORIES: Mapping[str, tuple[Category, ...]] = {
    "person": _ALL,
    "observation_period": _ALL,
    "death": _CONTENT,
    "visit_occurrence": _CONTENT,
    "condition_occurrence": _CONTENT,
    "drug_exposure": _CONTENT,
    "procedure_occurrence": _CONTENT,
    "measurement": _CONTENT,
    "observation": _CONTENT,
    "condition_era": _ALL,
    "drug_era": _ALL,
    "cdm_source": _ALL,
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
