"""Which tables of a hospital may have no row: declared here, never inferred from the data."""

from __future__ import annotations

from pumasi.omop import OPTIONAL_TABLES

MAY_BE_EMPTY = frozenset(
    {
        *OPTIONAL_TABLES,
        # A source that doesn't record deaths, or had none, delivers no row.
        "death",
        # Nor has every source facts of this domain: many have visits, diagnoses, drugs and tests.
        "observation",
        # A hospital may have nobody whom the mart is about: a finding for the study, not a defect.
        "asthma__cohort",
        "asthma__exacerbations",
        "gi_bleed__new_users",
        # Nor has every hospital these: nobody with a comorbidity, no kidney value, no Fabry test.
        "core__charlson",
        "core__comedication",
        "fabry__kidney_course",
        "fabry__evidence",
        "fabry__cohort",
        "fabry__screening_features",
        "asthma__treatment_episodes",
        "asthma__risk_features",
    }
)
