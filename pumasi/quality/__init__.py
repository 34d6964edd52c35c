"""What is known about the quality of one build, and the rule that says open or closed.

dbt tests, Great Expectations and the conservation of rows all end as `Outcome`s; nothing here
runs dbt or Great Expectations.
"""

from pumasi.quality.conservation import (
    OF_SOURCE_TABLES,
    conservation_outcomes,
    is_of_source_table,
)
from pumasi.quality.dbt_results import dbt_checks, dbt_outcomes, outcomes_of_tests
from pumasi.quality.gate import Need, Purpose, Verdict, ask, reasons_closed, waiver_state
from pumasi.quality.judge import could_not_check, judge, share_is_within
from pumasi.quality.outcome import Category, Check, Outcome, Severity, Source, Status
from pumasi.quality.thresholds import apply_thresholds
from pumasi.quality.verification import (
    Listed,
    check_of,
    concepts_of,
    local_concepts,
    mapping_check_of,
    verification_outcomes,
)
from pumasi.quality.waivers import WaiverUse

__all__ = [
    "OF_SOURCE_TABLES",
    "Category",
    "Check",
    "Listed",
    "Need",
    "Outcome",
    "Purpose",
    "Severity",
    "Source",
    "Status",
    "Verdict",
    "WaiverUse",
    "apply_thresholds",
    "ask",
    "check_of",
    "concepts_of",
    "conservation_outcomes",
    "could_not_check",
    "dbt_checks",
    "dbt_outcomes",
    "is_of_source_table",
    "judge",
    "local_concepts",
    "mapping_check_of",
    "outcomes_of_tests",
    "reasons_closed",
    "share_is_within",
    "verification_outcomes",
    "waiver_state",
]
