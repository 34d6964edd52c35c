"""Results as files: a table of outcomes, and the layout that OHDSI's DQD viewer reads.

The layout (names of the fields, single values in lists as R's jsonlite writes them) is that of
DataQualityDashboard 2.8. Descriptions are ours. Neither file holds a value of a row of a person.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pumasi.quality.catalogue.checks import ConcreteCheck, check_types
from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.catalogue.engine import CheckResult
from pumasi.quality.catalogue.keys import OffenderKeys
from pumasi.quality.outcome import Outcome, Status

# What cdm_source says of the database itself. Its free text is left out.
_METADATA = {
    "cdm_source_name": "cdmSourceName",
    "cdm_source_abbreviation": "cdmSourceAbbreviation",
    "source_release_date": "sourceReleaseDate",
    "cdm_release_date": "cdmReleaseDate",
    "cdm_version": "cdmVersion",
    "vocabulary_version": "vocabularyVersion",
}
_OUTCOMES = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "dqd_check_id", "type", "level", "table")),
        *((name, pa.string()) for name in ("field", "category", "subcategory", "context")),
        ("concept_ids", pa.list_(pa.int64())),
        *((name, pa.string()) for name in ("dqd_severity", "severity", "status", "message")),
        ("violations", pa.int64()),
        ("denominator", pa.int64()),
        ("threshold", pa.float64()),
        ("seconds", pa.float64()),
    ]
)


def write_outcomes(results: Sequence[CheckResult], path: Path) -> None:
    """Write one row per check as parquet; `threshold` is a share of the denominator (0..1).

    `seconds` is what the table and family of the check took together.
    """
    rows = [_row(result) for result in results]
    parquet.write_table(pa.Table.from_pylist(rows, _OUTCOMES), path, compression="zstd")


def _row(result: CheckResult) -> dict[str, Any]:
    check, outcome = result.check, result.outcome
    return {
        "name": outcome.name,
        "dqd_check_id": check.dqd_id,
        "type": check.type.name,
        "level": check.type.level,
        "table": check.table,
        "field": check.field or None,
        "category": outcome.category,
        "subcategory": check.type.subcategory or None,
        "context": check.type.context,
        "concept_ids": list(check.concept_ids) or None,
        "dqd_severity": check.type.severity,
        "severity": outcome.severity.value,
        "status": outcome.status.value,
        "message": outcome.message,
        "violations": outcome.violations,
        "denominator": outcome.denominator,
        "threshold": outcome.threshold,
        "seconds": result.seconds,
    }


def write_keys(found: Sequence[OffenderKeys], path: Path) -> None:
    """Write check, field and key as CSV, one key a row, readable by the owner of the file only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        # A file that was there keeps its mode when it is opened.
        path.chmod(0o600)
        stream.write("check,field,key\n")
        for each in found:
            stream.writelines(f"{each.check},{each.field},{key}\n" for key in each.keys)


def dqd_results(
    cdm: Cdm, results: Sequence[CheckResult], began: datetime, ended: datetime
) -> dict[str, Any]:
    """Return the results of DQD's types in DQD's layout, as JSON values."""
    rows = [_dqd_row(result) for result in results if result.check.type.name in check_types()]
    return {
        "startTimestamp": [f"{began:%Y-%m-%d %H:%M:%S}"],
        "endTimestamp": [f"{ended:%Y-%m-%d %H:%M:%S}"],
        "executionTime": [f"{(ended - began).total_seconds():.0f} secs"],
        "executionTimeSeconds": [round((ended - began).total_seconds(), 3)],
        "CheckResults": rows,
        "Metadata": [_metadata(cdm)],
        "Overview": {name: [value] for name, value in _overview(rows).items()},
    }


def _dqd_row(result: CheckResult) -> dict[str, Any]:
    check, outcome = result.check, result.outcome
    is_error = outcome.status is Status.ERROR
    not_applicable = outcome.status is Status.NOT_APPLICABLE
    return {
        **_counts(outcome),
        "executionTime": f"{result.seconds:.3f} secs",
        "executionTimeSeconds": round(result.seconds, 3),
        # One query counts many checks: there is none that is this one's own.
        "queryText": "",
        "sqlFile": "",
        "checkName": check.type.name,
        "checkLevel": check.type.level,
        "checkDescription": f"{check.type.violation}; of {check.type.denominator}",
        **_place(check),
        "category": check.type.category.capitalize(),
        "subcategory": check.type.subcategory,
        "context": check.type.context.capitalize(),
        "severity": check.type.severity,
        "warning": None,
        "error": outcome.message if is_error else None,
        "checkId": check.dqd_id,
        "failed": int(outcome.status is Status.FAILED),
        "passed": int(outcome.status is Status.PASSED),
        "isError": int(is_error),
        "notApplicable": int(not_applicable),
        "notApplicableReason": outcome.message if not_applicable else None,
        "thresholdValue": check.percent,
        "notesValue": None,
    }


def _place(check: ConcreteCheck) -> dict[str, Any]:
    return {
        "cdmTableName": check.table.upper(),
        "cdmFieldName": check.field.upper() or None,
        "conceptId": ",".join(map(str, check.concept_ids)) or None,
        "unitConceptId": None,
    }


def _counts(outcome: Outcome) -> dict[str, Any]:
    violations, denominator = outcome.violations, outcome.denominator
    share = None if violations is None or denominator is None else 0.0
    if violations and denominator:
        share = violations / denominator
    return {
        "numViolatedRows": violations,
        "pctViolatedRows": share,
        "numDenominatorRows": denominator,
    }


def _metadata(cdm: Cdm) -> dict[str, Any]:
    known = [name for name in _METADATA if cdm.has("cdm_source", name)]
    row: tuple[Any, ...] = ()
    if known:
        columns = ", ".join(f"{cdm.column('cdm_source', name)}::varchar" for name in known)
        row = (
            cdm.connection.execute(
                f"select {columns} from {cdm.relation('cdm_source')} as t order by all limit 1"
            ).fetchone()
            or ()
        )
    values = dict(zip(known, row, strict=False))
    metadata = {ours: values.get(name) for name, ours in _METADATA.items()}
    return {**metadata, "dqdVersion": f"pumasi {version('pumasi')}"}


def _overview(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    passed, failed = (sum(row[name] for row in rows) for name in ("passed", "failed"))
    judged = passed + failed
    overview: dict[str, float] = {
        "countTotal": len(rows),
        "countPassed": passed,
        "countErrorFailed": sum(row["isError"] for row in rows),
        "countThresholdFailed": failed,
        "countOverallFailed": failed,
        "percentPassed": round(100 * passed / judged, 2) if judged else 0,
        "percentFailed": round(100 * failed / judged, 2) if judged else 0,
    }
    for word, name in (("Total", None), ("Failed", "failed"), ("Passed", "passed")):
        for category in ("Plausibility", "Conformance", "Completeness"):
            of_category = [row for row in rows if row["category"] == category]
            count = sum(row[name] for row in of_category) if name else len(of_category)
            overview[f"count{word}{category}"] = count
    return overview


def dqd_json(results: dict[str, Any]) -> str:
    """Return the JSON text of `dqd_results`."""
    return json.dumps(results, ensure_ascii=False, indent=1) + "\n"
