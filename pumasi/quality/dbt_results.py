"""dbt's test results as outcomes, read from the two JSON files that dbt leaves in its target.

The manifest says which tests there are, the run results what became of them. A test that is in the
manifest and has no result is an error and not a gap: what was not run is not known.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pumasi.errors import ReleaseError
from pumasi.quality.judge import could_not_check, judge
from pumasi.quality.outcome import Category, Check, Outcome, Severity

Node = Mapping[str, Any]

_CATEGORY_OF_TEST: dict[str, Category] = {"not_null": "completeness"}
_JUDGED = {"pass", "warn", "fail"}


def dbt_outcomes(
    run_results: Path,
    manifest: Path,
    rows: Mapping[str, int],
    may_be_empty: Collection[str] = (),
) -> list[Outcome]:
    """Return one outcome per data test of the manifest; unit tests are not outcomes.

    `rows` gives the number of rows by table name; a table that is not in it has no denominator.
    `may_be_empty` are the tables declared as possibly empty. Raises ReleaseError when a file is
    missing or not what dbt writes.
    """
    return outcomes_of_tests(_results(run_results), manifest, rows, may_be_empty)


def outcomes_of_tests(
    results: Mapping[str, Node],
    manifest: Path,
    rows: Mapping[str, int],
    may_be_empty: Collection[str] = (),
) -> list[Outcome]:
    """Return the outcomes of `dbt_outcomes` from results that are at hand.

    `results` has by the test's id its `status` and `failures`, in dbt's words; `rows` and
    `may_be_empty` are those of `dbt_outcomes`. Raises ReleaseError when there is no manifest.
    """
    nodes = _nodes(manifest)
    tests = sorted(i for i, node in nodes.items() if _is_run(node, nodes))
    checks = _checks(nodes, tests)
    return [
        _outcome(checks[test], results.get(test), rows.get(checks[test].table), may_be_empty)
        for test in tests
    ]


def dbt_checks(manifest: Path) -> list[Check]:
    """Return what is known of every data test of the manifest before it is run.

    Raises ReleaseError when the file is missing or not what dbt writes.
    """
    nodes = _nodes(manifest)
    tests = sorted(i for i, node in nodes.items() if _is_run(node, nodes))
    return list(_checks(nodes, tests).values())


def _is_run(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Tell a test that dbt runs from one of a model that this site's format disables."""
    attached = node.get("attached_node")
    return node["resource_type"] == "test" and (attached is None or attached in nodes)


def _nodes(manifest: Path) -> dict[str, Node]:
    content = _read(manifest)
    nodes = {**content.get("nodes", {}), **content.get("sources", {})}
    return {key: node for key, node in nodes.items() if "resource_type" in node}


def _results(run_results: Path) -> dict[str, Node]:
    return {result["unique_id"]: result for result in _read(run_results).get("results", [])}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(f"dbt left no {path.name}: run `dbt test` on this site") from None
    except ValueError:
        raise ReleaseError(f"dbt's {path.name} is no JSON: run `dbt test` again") from None
    if not isinstance(content, dict):
        raise ReleaseError(f"dbt's {path.name} is not what dbt writes: run `dbt test` again")
    return content


def _outcome(
    check: Check, result: Node | None, rows: int | None, may_be_empty: Collection[str]
) -> Outcome:
    if result is None:
        return could_not_check(check, "dbt has no result for this test")
    if result["status"] not in _JUDGED or result.get("failures") is None:
        # dbt's own message may quote a row: its status says enough, its log has the rest.
        return could_not_check(check, f"dbt ended this test with status '{result['status']}'")
    return judge(check, int(result["failures"]), rows, may_be_empty=check.table in may_be_empty)


def _checks(nodes: Mapping[str, Node], tests: list[str]) -> dict[str, Check]:
    """Name the tests; two that would be called the same take dbt's own names instead."""
    tables = {test: _table(nodes, nodes[test]) for test in tests}
    names = {test: f"{table}.{_sentence(nodes[test], table)}" for test, table in tables.items()}
    count = Counter(names.values())
    return {
        test: _check(nodes, nodes[test], name if count[name] == 1 else None)
        for test, name in names.items()
    }


def _check(nodes: Mapping[str, Node], test: Node, name: str | None) -> Check:
    table = _table(nodes, test)
    severity = str(test.get("config", {}).get("severity", "error")).lower()
    return Check(
        name=name or f"{table}.{_own_name(test, table)}",
        table=table,
        category=_category(test),
        severity=Severity.WARN if severity == "warn" else Severity.ERROR,
        source="dbt",
    )


def _table(nodes: Mapping[str, Node], test: Node) -> str:
    """Return the table that the test belongs to, else the first of the build that it reads."""
    read = test.get("depends_on", {}).get("nodes", [])
    # What a build made comes before what it was made of: a source is no table of the warehouse.
    made = sorted(read, key=lambda each: nodes.get(each, {}).get("resource_type") == "source")
    node = nodes.get(test.get("attached_node") or (made[0] if made else ""))
    if node is None:
        return "warehouse"
    return _as_name(node.get("alias") or node["name"])


def _sentence(test: Node, table: str) -> str:
    metadata = test.get("test_metadata") or {}
    arguments = metadata.get("kwargs", {})
    column = _as_name(str(arguments.get("column_name") or test.get("column_name") or ""))
    sentences = {
        "unique": f"{column}_is_unique",
        "not_null": f"{column}_is_present",
        "relationships": f"{column}_is_in_{_referred(arguments)}",
        "accepted_values": f"{column}_is_an_accepted_value",
    }
    return sentences.get(metadata.get("name", "")) or _own_name(test, table)


def _own_name(test: Node, table: str) -> str:
    """Return the test's name, without the table's when it begins with that."""
    return _as_name(test["name"]).removeprefix(f"{table}_")


def _referred(arguments: Mapping[str, Any]) -> str:
    """Return the table in `ref('person')` or `source('omop', 'person')`."""
    quoted = re.findall(r"['\"](\w+)['\"]", str(arguments.get("to", "")))
    return _as_name(quoted[-1]) if quoted else "its_table"


def _category(test: Node) -> Category:
    """Return the category that the test's `meta` names, else the one of its kind."""
    stated = test.get("config", {}).get("meta", {}).get("category")
    for category in get_args(Category):
        if stated == category:
            return category  # type: ignore[no-any-return]
    kind = (test.get("test_metadata") or {}).get("name", "")
    return _CATEGORY_OF_TEST.get(kind, "conformance")


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
