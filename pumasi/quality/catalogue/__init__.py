"""The catalogue of data-quality checks for any OMOP CDM 5.4, and the engine that runs it.

27 types of check on tables, fields and concepts: those of OHDSI's DataQualityDashboard (DQD), with
its switches and thresholds as data and the counting written anew, set-wise: one query per table and
family of checks. Results carry DQD's checkId, so that both can be compared. Beside them stand types
that DQD lacks (`own_checks`). `build_checks` are those of both that dbt does not hold already.
"""

from pumasi.quality.catalogue.checks import (
    CheckType,
    ConcreteCheck,
    build_checks,
    check_types,
    concrete_checks,
    own_checks,
    own_types,
)
from pumasi.quality.catalogue.database import Cdm, open_database
from pumasi.quality.catalogue.declared import declared_empty, judged_as_declared
from pumasi.quality.catalogue.engine import (
    CheckResult,
    applicable,
    run_catalogue,
    run_step,
    steps,
)
from pumasi.quality.catalogue.keys import MOST_KEYS, OffenderKeys, keys_of, offender_keys
from pumasi.quality.catalogue.results import (
    dqd_json,
    dqd_results,
    write_keys,
    write_outcomes,
)

__all__ = [
    "MOST_KEYS",
    "Cdm",
    "CheckResult",
    "CheckType",
    "ConcreteCheck",
    "OffenderKeys",
    "applicable",
    "build_checks",
    "check_types",
    "concrete_checks",
    "declared_empty",
    "dqd_json",
    "dqd_results",
    "judged_as_declared",
    "keys_of",
    "offender_keys",
    "open_database",
    "own_checks",
    "own_types",
    "run_catalogue",
    "run_step",
    "steps",
    "write_keys",
    "write_outcomes",
]
