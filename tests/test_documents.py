"""The documents against the code: what they name exists, and what exists is named.

That links point at files, and that every command has help and is in the README, is held elsewhere
(test_repository, test_cli); here are anchors, make targets, programs, models and checks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import typer.main
import yaml

from benchmarks.step import STEPS
from expectations import MAY_BE_EMPTY
from expectations.suites import SUITES
from pumasi.cli import app
from pumasi.config import project_root
from pumasi.learn.tasks import TASKS
from pumasi.quality import Severity, conservation_outcomes
from pumasi.quality.catalogue import build_checks
from pumasi.quality.drift import drift_outcomes
from pumasi.quality.series import series_outcomes
from tests.quality.record import compared, record

ROOT = project_root()
DBT = ROOT / "dbt_project"
SEVERITIES = {"critical": "error", "warning": "warn"}

CODE_SPAN = re.compile(r"`([^`\n]+)`")
CODE_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]*)\)")
# A name with a layer's prefix, or with the double underscore of a mart.
MODEL = re.compile(r"\b(?:(?:stg|int)_|[a-z]\w*__)[a-z]\w*")
ROW = re.compile(r"^\| `([\w.]+)` \| (\w+) \| (\w+) \| (\d+)% \|", re.MULTILINE)

# Task, check, and the limit of the task.
NEED = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| (the check's|[\d.]+%) \|$", re.MULTILINE)

Node = dict[str, Any]


@cache
def documents() -> dict[str, str]:
    """Every document by its path in the project."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in sorted(paths)}


def code(text: str) -> str:
    """What stands in code spans and code blocks: the only places that promise an exact name."""
    blocks = CODE_BLOCK.findall(text)
    return "\n".join([*blocks, *CODE_SPAN.findall(CODE_BLOCK.sub("", text))])


def in_documents(pattern: str) -> set[tuple[str, str]]:
    """Every match of the pattern's group in the code of the documents, with the document."""
    return {(d, m) for d, text in documents().items() for m in re.findall(pattern, code(text))}


@cache
def models() -> frozenset[str]:
    """Names of every model and seed of the dbt project."""
    found = [*(DBT / "models").rglob("*.sql"), *(DBT / "seeds").rglob("*.csv")]
    return frozenset(path.stem for path in found)


@cache
def properties() -> tuple[Node, ...]:
    """The entries of all property files: models, seeds, sources."""
    files = [*(DBT / "models").rglob("*.yml"), *(DBT / "seeds").rglob("*.yml")]
    contents = [yaml.safe_load(path.read_text(encoding="utf-8")) or {} for path in files]
    kinds = ("models", "seeds", "snapshots")
    return tuple(node for content in contents for kind in kinds for node in content.get(kind, []))


def data_tests() -> Iterator[tuple[str, Node]]:
    """Kind and arguments of every data test that a property file declares."""
    for node in properties():
        for holder in (node, *node.get("columns", [])):
            for test in holder.get("data_tests", []):
                named = {test: {}} if isinstance(test, str) else test
                yield from ((kind, said or {}) for kind, said in named.items())


def test_there_are_the_documents_that_a_reader_looks_for() -> None:
    users = ("data-engineer", "analytics-engineer", "researcher", "data-steward")
    wanted = {
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DATA_QUALITY.md"),
        *(f"docs/{name}.md" for name in ("architecture", "deployment", "privacy")),
        *(f"docs/users/{name}.md" for name in users),
        "docs/decisions/README.md",
    }
    assert wanted <= documents().keys()


def test_the_readme_leads_to_every_document_but_single_decisions() -> None:
    linked = {target.split("#")[0] for target in LINK.findall(documents()["README.md"])}
    decision = re.compile(r"docs/decisions/\d")
    assert {d for d in documents() if not decision.match(d)} - {"README.md"} <= linked


def test_every_decision_is_listed_and_says_status_date_context_and_consequences() -> None:
    listed = set(LINK.findall(documents()["docs/decisions/README.md"]))
    for path, text in documents().items():
        name = path.removeprefix("docs/decisions/")
        if not re.match(r"\d", name):
            continue
        assert name in listed, path
        assert re.match(rf"# {name[:4]}: \S", text), path
        assert re.search(r"^Status: .+ · \d{4}-\d\d-\d\d$", text, re.MULTILINE), path
        for heading in ("Context", "Decision", "Consequences"):
            assert f"\n## {heading}\n" in text, f"{path}: {heading}"


def test_every_link_to_a_heading_points_at_a_heading() -> None:
    broken = [
        f"{path}: {target}"
        for path, text in documents().items()
        for target in LINK.findall(text)
        if "#" in target and "://" not in target
        if target.split("#")[1] not in headings(linked_document(path, target))
    ]
    assert broken == []


def linked_document(path: str, target: str) -> str:
    file = target.split("#")[0]
    there = (ROOT / path).parent / file if file else ROOT / path
    return there.resolve().read_text(encoding="utf-8")


def headings(text: str) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_make_command_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = in_documents(r"\bmake ([a-z]+(?:-[a-z]+)*)\b")
    assert named
    assert {(d, target) for d, target in named if target not in targets} == set()


def test_every_command_that_is_named_exists_with_its_options() -> None:
    known = dict(commands(typer.main.get_command(app)))
    named = in_documents(r"\bpumasi ([a-z][^\n#]*)")
    assert named
    unknown = [(d, said) for d, said in sorted(named) if not any(understood(said, known))]
    assert unknown == []


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Every command and group as it is typed, with its options."""
    for name, inner in getattr(command, "commands", {}).items():
        options = {option for each in inner.params for option in each.opts}
        yield " ".join((*path, name)), options | {"--help"}
        yield from commands(inner, (*path, name))


def understood(said: str, known: dict[str, set[str]]) -> Iterator[bool]:
    options = set(re.findall(r"--[a-z-]+", said))
    for command, admitted in known.items():
        if said == command or said.startswith(f"{command} "):
            yield options <= admitted


def test_every_step_of_a_benchmark_is_named_with_the_file_that_it_writes() -> None:
    found = in_documents(r"python -m benchmarks\.step[^\n]*")
    assert found
    named = re.compile(rf"python -m benchmarks\.step ({'|'.join(STEPS)}) FILE\b")
    assert {said for said in found if not named.match(said[1])} == set()


def test_every_model_that_is_named_exists() -> None:
    named = {
        (path, match.group())
        for path, text in documents().items()
        for span in [code(text)]
        for match in MODEL.finditer(span)
        # `int_<entity>s_received` and `asthma__int_…` name a family.
        if span[match.end() : match.end() + 1] not in ("<", "…", "*", "_")
    }
    assert {path for path, _ in named} >= {"docs/decisions/0008-references-that-lead-nowhere.md"}
    strangers = {name for _, name in named} - models() - known_otherwise()
    assert [(path, name) for path, name in sorted(named) if name in strangers] == []


def known_otherwise() -> set[str]:
    """Names with a double underscore that are no models: named tests of the dbt project."""
    return {said["name"] for _, said in data_tests() if "name" in said}


def test_every_check_of_great_expectations_is_listed_as_it_is() -> None:
    in_code = {
        (
            str(rule.meta["check"]),
            str(rule.meta["category"]),
            SEVERITIES[str(getattr(rule.severity, "value", rule.severity))],
            round(100 * rule.allowed_share, 6),
        )
        for suite in SUITES.values()
        for rule in suite().expectations
    }
    listed = {(n, c, s, float(share)) for n, c, s, share in ROW.findall(quality_document())}
    missing = [f"| `{n}` | {c} | {s} | {share:g}% |" for n, c, s, share in in_code - listed]
    assert sorted(missing) == [], "put these rows into DATA_QUALITY.md"
    assert sorted(listed - in_code) == [], "DATA_QUALITY.md lists checks that are not so"


def quality_document() -> str:
    return documents()["DATA_QUALITY.md"]


def test_what_a_task_needs_is_listed_as_it_is_and_is_a_check() -> None:
    """A need of a check that does not exist would close the gate for good."""
    in_code = {
        (task.name, need.check, "the check's" if need.limit is None else f"{100 * need.limit:g}%")
        for task in TASKS
        for need in task.needs
    }
    listed = NEED.findall(quality_document())
    assert set(listed) == in_code
    assert len(listed) == len(in_code)
    of_suites = {name for name, *_ in ROW.findall(quality_document())}
    of_dbt = {f"{model}.{name}" for model, name in named_tests()}
    of_catalogue = {check.name for check in build_checks()}
    assert {check for _, check, _ in in_code} - of_suites - of_dbt - of_catalogue == set()


def named_tests() -> Iterator[tuple[str, str]]:
    """Model and name of every data test with a name of its own."""
    for node in properties():
        for holder in (node, *node.get("columns", [])):
            for test in holder.get("data_tests", []):
                for said in test.values() if isinstance(test, dict) else ():
                    if "name" in (said or {}):
                        yield node["name"], said["name"]


def test_every_kind_of_dbt_test_is_explained() -> None:
    macros = {path.stem for path in (DBT / "tests" / "generic").glob("*.sql")}
    used = {kind for kind, _ in data_tests()}
    assert {kind for kind in macros | used if f"\n| `{kind}` |" not in quality_document()} == set()


def test_every_dbt_test_with_a_name_of_its_own_is_listed() -> None:
    singular = {path.stem for path in (DBT / "tests").glob("*.sql")}
    named = {said["name"] for _, said in data_tests() if "name" in said}
    assert {name for name in singular | named if f"`{name}`" not in quality_document()} == set()


def test_every_dbt_test_of_another_severity_or_threshold_is_listed() -> None:
    """The document says of all dbt tests: error, 0 %. Who deviates must be listed by name."""
    deviating = {
        said.get("name", kind)
        for kind, said in data_tests()
        if {"severity", "warn_if", "error_if"} & {*said, *said.get("config", {})}
    }
    assert {name for name in deviating if f"`{name}` | warn" not in quality_document()} == set()


def test_every_check_of_conservation_is_listed_as_it_is(tmp_path: Path) -> None:
    tables = {
        "reference_losses": "select 'death' as table_name, unnest(['person', 'visit_occurrence'])"
        " as reference, 1 as rows_referring, 0 as rows_lost",
        "read_counts": "select '1' as delivery_id, 'death' as source_table, 1 as rows_in,"
        " 1 as rows_read, 0 as rows_quarantined, 0 as rows_withdrawn, 0 as rows_misread",
        "row_fates": "select '1' as delivery_id, 'death' as source_table, 'in_omop' as fate,"
        " null::varchar as rule, 1 as rows",
    }
    for name, query in tables.items():
        duckdb.sql(query).write_parquet(str(tmp_path / f"{name}.parquet"))
    outcomes = conservation_outcomes(tmp_path)
    assert len(outcomes) == 6
    for outcome in outcomes:
        sentence = outcome.name.partition(".")[2]
        row = rf"table>\.{sentence}` \| {outcome.category} \| {outcome.severity} \| "
        row += rf"{100 * outcome.threshold:g}% \|"
        assert re.search(row, quality_document()), outcome


def test_every_check_of_series_and_drift_is_listed_as_it_is(tmp_path: Path) -> None:
    now = compared(record(), tmp_path)
    outcomes = [*series_outcomes(now.characterised), *drift_outcomes(now, now)]
    for outcome in outcomes:
        said = outcome.name.partition(".")[2]
        said = re.sub(r"^\d+_", "<concept id>_", said)
        row = rf"(?:<table>|{outcome.table})\.{re.escape(said)}` \| {outcome.category} \| "
        found = re.search(rf"{row}(.*?) \|", quality_document())
        assert found, outcome
        if not found[1].startswith("the share before"):
            assert found[1] == f"{100 * outcome.threshold:g}%", outcome
        assert outcome.severity is Severity.WARN


def test_every_python_example_can_be_compiled_and_imports_what_exists() -> None:
    for path, text in documents().items():
        for example in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            tree = ast.parse(example, filename=path)
            imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, type_ignores=[]), path, "exec"), {})  # noqa: S102


def test_tables_that_may_be_empty_are_tables() -> None:
    assert models() >= MAY_BE_EMPTY
