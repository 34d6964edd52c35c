"""The expectation that the catalogue's checks are run by: one per table and family of checks.

Great Expectations plans a query for every condition that it is given, which costs about 20 ms each
before there is data; the catalogue has some 1,100 conditions for a build. So a family is one
expectation with one metric, which counts all its checks in one grouped query on the connection of
Great Expectations. Which checks there are, with their thresholds, is data (`pumasi.quality`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.sqlalchemy_execution_engine import (
    SqlAlchemyExecutionEngine,
)
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from expectations.views import CDM, VOCABULARY, catalogue_today
from pumasi.quality import Outcome, Severity, Status
from pumasi.quality.catalogue import Cdm, CheckResult, ConcreteCheck, build_checks, run_step, steps

CHECKS_COUNTED = "pumasi.checks_counted"


class ChecksCounted(TableMetricProvider):
    """The outcome of every check of a family on a table, as JSON values, and the seconds."""

    metric_name = CHECKS_COUNTED
    value_keys = ("table", "family", "today")

    @metric_value(engine=SqlAlchemyExecutionEngine, domain_type=MetricDomainTypes.TABLE)
    def _sqlalchemy(
        cls,  # noqa: N805 - Great Expectations calls it with the class
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> dict[str, Any]:
        step = _steps()[metric_value_kwargs["table"], metric_value_kwargs["family"]]
        today = date.fromisoformat(metric_value_kwargs["today"])
        with execution_engine.get_connection() as connection:
            # A second one to the same views: a query that breaks ends the transaction of the first.
            wrapped: Any = connection.connection.driver_connection
            with wrapped.duplicate() as duckdb:
                results = run_step(Cdm.find(duckdb, CDM, VOCABULARY, today), step)
        return {
            "outcomes": [result.outcome.to_dict() for result in results],
            "seconds": results[0].seconds,
        }


class ExpectChecksToPass(BatchExpectation):
    """Expect every check of a family of the catalogue to pass on a table, or to have nothing to do.

    The result holds the outcome of each. `today` is an ISO date; DQD's limits allow the day after.
    """

    table: str
    family: str
    today: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (CHECKS_COUNTED,)
    success_keys: ClassVar[tuple[str, ...]] = ("table", "family", "today")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        counted = metrics[CHECKS_COUNTED]
        bad = {Status.FAILED.value, Status.ERROR.value}
        success = all(outcome["status"] not in bad for outcome in counted["outcomes"])
        return {"success": success, "result": counted}


def catalogue_expectations(table: str, through: date) -> list[ExpectChecksToPass]:
    """Return the expectations of a table: one per family that has a check of it.

    `through` is the last day that the extract covers; what is dated later lies in the future.
    """
    today = catalogue_today(through)
    return [
        ExpectChecksToPass(
            table=table,
            family=family,
            today=today.isoformat(),
            severity=_severity(step),
            meta={"catalogue": [table, family]},
        )
        for (of_table, family), step in _steps().items()
        if of_table == table
    ]


def results_of(
    table: str, family: str, outcomes: Iterable[dict[str, Any]], seconds: float
) -> list[CheckResult]:
    """Return what the expectation of a table and family found, as results of the catalogue."""
    found = [Outcome.from_dict(outcome) for outcome in outcomes]
    step = _steps()[table, family]
    return [
        CheckResult(check, outcome, seconds) for check, outcome in zip(step, found, strict=True)
    ]


def checks_of(table: str, family: str) -> list[ConcreteCheck]:
    """The checks that the expectation of a table and family counts."""
    return _steps()[table, family]


@cache
def _steps() -> dict[tuple[str, str], list[ConcreteCheck]]:
    return {(step[0].table, step[0].family): step for step in steps(build_checks())}


def _severity(step: list[ConcreteCheck]) -> FailureSeverity:
    closes = any(check.as_check().severity is Severity.ERROR for check in step)
    return FailureSeverity.CRITICAL if closes else FailureSeverity.WARNING
