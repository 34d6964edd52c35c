"""The one expectation that the suites are made of: rows obey a rule, but for an allowed share.

It counts two things, the rows of which the rule says yes or no and those of which it says no, as
aggregates. Great Expectations puts all aggregates of a table into one query: a suite is one scan,
however many rules it has, and no row ever leaves the database.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.execution_engine.sqlalchemy_execution_engine import (
    SqlAlchemyExecutionEngine,
)
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_partial
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from pumasi.quality import share_is_within

ROWS_JUDGED = "pumasi.rows_judged"
ROWS_BREAKING = "pumasi.rows_breaking"


class RowsJudged(TableMetricProvider):
    """Number of rows for which `among` is true and `rule` is true or false."""

    metric_name = ROWS_JUDGED
    value_keys = ("rule", "among")

    @metric_partial(
        engine=SqlAlchemyExecutionEngine,
        partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
        domain_type=MetricDomainTypes.TABLE,
    )
    def _count(
        cls,  # noqa: N805 - Great Expectations calls it with the class
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> Any:
        judged = f"({metric_value_kwargs['among']}) and ({metric_value_kwargs['rule']}) is not null"
        return _count_where(judged), metric_domain_kwargs, {}


class RowsBreaking(TableMetricProvider):
    """Number of rows for which `among` is true and `rule` is false."""

    metric_name = ROWS_BREAKING
    value_keys = ("rule", "among")

    @metric_partial(
        engine=SqlAlchemyExecutionEngine,
        partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
        domain_type=MetricDomainTypes.TABLE,
    )
    def _count(
        cls,  # noqa: N805 - Great Expectations calls it with the class
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> Any:
        breaking = f"({metric_value_kwargs['among']}) and not ({metric_value_kwargs['rule']})"
        return _count_where(breaking), metric_domain_kwargs, {}


class ExpectRowsToObey(BatchExpectation):
    """Expect `rule`, a SQL predicate, of all rows that it judges but for `allowed_share`.

    As many rows as are `spared` may break it whatever their share.

    It judges the rows for which `among` is true, unless the rule is null of them: a rule about
    values says nothing of values that are missing, so such a row neither breaks nor obeys it, and
    is not in the denominator. No rows judged is no success.
    """

    rule: str
    among: str
    allowed_share: float
    spared: int

    metric_dependencies: ClassVar[tuple[str, ...]] = (ROWS_JUDGED, ROWS_BREAKING)
    success_keys: ClassVar[tuple[str, ...]] = ("rule", "among", "allowed_share", "spared")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        judged, breaking = int(metrics[ROWS_JUDGED]), int(metrics[ROWS_BREAKING])
        obeyed = breaking <= self.spared or share_is_within(breaking, judged, self.allowed_share)
        return {
            "success": judged > 0 and obeyed,
            "result": {"violations": breaking, "denominator": judged},
        }


def _count_where(predicate: str) -> Any:
    # literal_column takes the predicate as it is: a colon in it is no bound parameter.
    counted = sa.case((sa.literal_column(predicate), 1), else_=0)
    return sa.func.coalesce(sa.func.sum(counted), 0)
