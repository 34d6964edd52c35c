"""Running all checks on a candidate: Great Expectations in, outcomes out.

A table's suite holds rules of our own and, for an OMOP table, one expectation per family of the
catalogue. Nothing is checked of a vocabulary: it is not the hospital's.

The context is ephemeral, nothing is sent or stored, and results hold counts only. An expectation
that raised is an outcome of status error: never a pass, and never a failure of the data.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.emptiness import MAY_BE_EMPTY
from expectations.views import make_views
from pumasi.quality import Check, Outcome, Severity, Status, could_not_check, judge
from pumasi.quality.catalogue import CheckResult, judged_as_declared
from pumasi.warehouse import memory_limit

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

_SEVERITIES = {"critical": Severity.ERROR, "warning": Severity.WARN}
# Messages of these kinds name columns and tables; others may quote a value.
_NAMES_NO_VALUE = re.compile(r"(Binder|Catalog|Parser) Error: [^\n]*")


def run(
    candidate: Path,
    vocabulary: Path,
    declared: Collection[tuple[str, str]],
    may_be_empty: Collection[str] = MAY_BE_EMPTY,
    tables: Collection[str] | None = None,
) -> list[Outcome]:
    """Check the candidate's tables and return one outcome per check, table by table.

    What a site accepts besides is applied to all outcomes by `pumasi.quality.apply_thresholds`.

    Args:
        candidate: folder of the candidate's tables.
        vocabulary: folder of the vocabulary's tables.
        declared: table and field of what no row need have a value of
            (`pumasi.quality.catalogue.declared_empty` of the site's format).
        may_be_empty: tables that may have no row, and names of checks that may judge none: then
            nothing to check is not applicable rather than failed.
        tables: only these; None for all.

    Raises:
        ReleaseError: a table that has a suite is missing.
    """
    # Importing Great Expectations takes six seconds: who only imports this module doesn't pay them.
    from great_expectations import ExpectationSuite

    from expectations.checks import catalogue_expectations
    from expectations.duckdb import repair
    from expectations.suites import SUITES

    repair()
    with tempfile.TemporaryDirectory() as folder, quiet():
        database = Path(folder) / "candidate.duckdb"
        through = make_views(database, candidate, vocabulary, SUITES)
        outcomes: list[Outcome] = []
        source = _open(database)
        for table, suite in SUITES.items():
            if tables is not None and table not in tables:
                continue
            rules = suite()
            families = catalogue_expectations(table, through)
            expected = ExpectationSuite(table, expectations=[*rules.expectations, *families])
            found = _outcomes(source, table, expected, declared, may_be_empty)
            if any(outcome.status is Status.ERROR for outcome in found):
                # Its transaction is aborted, and would be for every table that follows.
                source = _open(database)
            outcomes += found
        return outcomes


def _open(database: Path) -> SQLDatasource:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_sql(
        "candidate",
        connection_string=f"duckdb:///{database}",
        kwargs={"connect_args": connection_arguments()},  # type: ignore[call-arg] # not in its stub
    )


def connection_arguments() -> dict[str, Any]:
    """How DuckDB is opened: to read, within the memory that a hospital gives its warehouse."""
    return {"read_only": True, "config": {"memory_limit": memory_limit()}}


def _outcomes(
    source: SQLDatasource,
    table: str,
    suite: ExpectationSuite,
    declared: Collection[tuple[str, str]],
    may_be_empty: Collection[str],
) -> list[Outcome]:
    asset = source.add_table_asset(table, table_name=table)
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    # BASIC of an expectation that only counts holds counts only.
    validated = batch.validate(suite, result_format="BASIC")
    families = [result for result in validated.results if _family(result)]
    rules = [result for result in validated.results if not _family(result)]
    # That a table may be empty excuses no rule when it has rows, all with the value missing.
    excused = table in may_be_empty and _is_empty(table, rules)
    counted = judged_as_declared(chain.from_iterable(map(_counted, families)), declared)
    return [
        *(_outcome(table, result, may_be_empty, excused) for result in rules),
        *(_excused(result) if excused else result.outcome for result in counted),
    ]


def _excused(result: CheckResult) -> Outcome:
    """Return the outcome of a check of a table that is empty and may be: nobody need have a row."""
    if result.outcome.status in (Status.ERROR, Status.NOT_APPLICABLE):
        return result.outcome
    return judge(result.check.as_check(), 0, 0, may_be_empty=True)


def _family(result: ExpectationValidationResult) -> list[str] | None:
    """Return table and family of an expectation of the catalogue; None of a rule."""
    configuration = result.expectation_config
    return None if configuration is None else (configuration.meta or {}).get("catalogue")


def _counted(result: ExpectationValidationResult) -> list[CheckResult]:
    from expectations.checks import checks_of, results_of

    table, family = _family(result) or ("", "")
    cause = _cause(result.exception_info)
    if cause is None:
        return results_of(table, family, result.result["outcomes"], result.result["seconds"])
    return [
        CheckResult(check, could_not_check(check.as_check(), cause), 0.0)
        for check in checks_of(table, family)
    ]


def _is_empty(table: str, results: Iterable[ExpectationValidationResult]) -> bool:
    """Say whether the rule that counts every row, which each suite begins with, counted none."""
    return any(
        result.result.get("denominator") == 0
        for result in results
        if _check(table, result)[0].name == f"{table}.has_rows"
    )


def _outcome(
    table: str,
    result: ExpectationValidationResult,
    may_be_empty: Collection[str],
    excused: bool,
) -> Outcome:
    check, may_lack = _check(table, result)
    cause = _cause(result.exception_info)
    if cause is not None:
        return could_not_check(check, cause)
    declared = may_lack or excused or check.name in may_be_empty
    counts = result.result
    spared = result.expectation_config.kwargs["spared"]  # type: ignore[union-attr] # _check asks
    return judge(
        check, counts["violations"], counts["denominator"], may_be_empty=declared, spared=spared
    )


def _check(table: str, result: ExpectationValidationResult) -> tuple[Check, bool]:
    configuration = result.expectation_config
    if configuration is None:
        raise TypeError(f"Great Expectations gave a result of '{table}' that names no expectation")
    meta = configuration.meta or {}
    check = Check(
        name=meta["check"],
        table=table,
        category=meta["category"],
        severity=_SEVERITIES[str(configuration.severity.value)],
        source="great_expectations",
        threshold=float(configuration.kwargs["allowed_share"]),
    )
    return check, bool(meta["may_lack"])


def _cause(exception_info: Mapping[str, Any] | None) -> str | None:
    """Return why an expectation raised, without a value of a row; None when it didn't.

    Great Expectations gives one dictionary of the expectation, or one for each metric that failed.
    """
    info = exception_info or {}
    each = [info] if "raised_exception" in info else list(info.values())
    raised = [one for one in each if one.get("raised_exception")]
    if not raised:
        return None
    text = f"{raised[0].get('exception_message')}\n{raised[0].get('exception_traceback')}"
    found = _NAMES_NO_VALUE.search(text)
    return found.group(0) if found else "the expectation raised an error"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Great Expectations from logging: it logs tracebacks, which may quote a value."""
    logger = logging.getLogger("great_expectations")
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
