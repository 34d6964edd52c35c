"""Which tables of a hospital may have no row: declared here, never inferred from the data."""

from __future__ import annotations

MAY_BE_EMPTY = frozenset(
    {
        # A source that doesn't record deaths, or had none, delivers no row.
        "death",
        # A hospital may have nobody whom the mart is about: a finding for the study, not a defect.
        "asthma__cohort",
        "asthma__exacerbations",
        "gi_bleed__new_users",
    }
)
