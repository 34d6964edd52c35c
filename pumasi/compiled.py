"""The dbt project as plain SQL: dbt compiles it once, DuckDB runs what it compiled in its order.

A build of a small hospital then takes a second or two, of which nothing is dbt's start: tests build
hundreds of hospitals so, and studies of methods hundreds of networks. The SQL is the project's own,
to the letter. The library imports no framework: dbt runs as a program, and its manifest says what
it made of the project.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from pumasi.config import SitePaths, project_root
from pumasi.config.environment import program_environment
from pumasi.errors import CompileError

SCHEMAS = ("staging", "intermediate", "omop", "marts")
# Of what dbt says when it fails, the end names the cause.
_LAST_CHARACTERS = 2000


class Seed(NamedTuple):
    """One CSV file of the project; `types` are those of the columns that say one."""

    schema: str
    name: str
    path: str
    types: dict[str, str]


class DataTest(NamedTuple):
    """One data test by dbt's id: SQL that gives its offenders, and whether they only warn."""

    unique_id: str
    sql: str
    warns: bool


class Model(NamedTuple):
    """One model: a `table` or a `view`, its SQL, and the names of what it reads."""

    schema: str
    name: str
    kind: str
    sql: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class CompiledProject:
    """The project compiled for one source format: seeds, models in the order to run, data tests.

    `placeholder` stands in the SQL where the folder of a site belongs.
    """

    seeds: tuple[Seed, ...]
    models: tuple[Model, ...]
    placeholder: str
    manifest: Path
    tests: tuple[DataTest, ...] = ()

    def build(
        self, paths: SitePaths, file: str = ":memory:", without: Collection[str] = ()
    ) -> duckdb.DuckDBPyConnection:
        """Run seeds and models on the site's raw tables, in memory or into a new DuckDB file.

        Models named `without` are left out. The caller closes the connection.
        """
        connection = self.open(file)
        self.run(connection, paths, [m.name for m in self.models if m.name not in without])
        return connection

    def open(
        self, file: str = ":memory:", seeds: Collection[str] | None = None, threads: int = 0
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection to a new warehouse with the schemas and these seeds, default all.

        `threads`: of DuckDB; 0 is as many as there are cores. The caller closes the connection.
        """
        connection = duckdb.connect(config={"threads": threads} if threads else {})
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach '{file}' as warehouse")
        connection.execute("use warehouse")
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for seed in self.seeds:
            if seeds is None or seed.name in seeds:
                columns = f", types = {seed.types}" if seed.types else ""
                connection.execute(
                    f"create table {seed.schema}.{seed.name} as "
                    f"from read_csv('{seed.path}', header = true, quote = '\"'{columns})"
                )
        return connection

    def run(
        self, connection: duckdb.DuckDBPyConnection, paths: SitePaths, names: Collection[str]
    ) -> None:
        """Run these models in their order, in the place of what is there."""
        for model in self.models:
            if model.name in names:
                here = model.sql.replace(self.placeholder, str(paths.root))
                connection.execute(
                    f'create or replace {model.kind} {model.schema}."{model.name}" as {here}'
                )

    def test(
        self, connection: duckdb.DuckDBPyConnection, paths: SitePaths
    ) -> dict[str, dict[str, Any]]:
        """Run the data tests on what was built, and return what `dbt test` would say of each.

        By the test's id, its `status` (pass, warn, fail, error) and its `failures`, as in dbt's
        run_results.json. A test that can't be run has the status error, and that is all that is
        said of it.
        """
        return {each.unique_id: self._tested(each, connection, paths) for each in self.tests}

    def _tested(
        self, test: DataTest, connection: duckdb.DuckDBPyConnection, paths: SitePaths
    ) -> dict[str, Any]:
        here = test.sql.replace(self.placeholder, str(paths.root))
        try:
            found = connection.execute(f"select count(*) from ({here}) as offenders").fetchall()
        except duckdb.Error:
            return {"status": "error", "failures": None}
        failed = "warn" if test.warns else "fail"
        return {"status": failed if found[0][0] else "pass", "failures": found[0][0]}

    def needed(self, wanted: Collection[str], given: Collection[str] = ()) -> frozenset[str]:
        """Return the names of the models and seeds that `wanted` are made of, and `wanted`.

        What is `given` is there already: neither it nor what only it is made of is among them.
        """
        found = {name for name in wanted if name not in given}
        for model in reversed(self.models):
            if model.name in found:
                found |= {parent for parent in model.parents if parent not in given}
        return frozenset(found)


def compile_project(source_format: str, home: Path, site: str = "compiled") -> CompiledProject:
    """Let dbt compile the project for a site of the format; takes ten seconds or more.

    Args:
        source_format: name of the format, as in a site's file.
        home: an empty folder, for the profile, dbt's target and its log.
        site: id of the site; the SQL names it where a table says whose it is.

    Raises:
        CompileError: dbt isn't there, or can't compile the project.
    """
    profile = home / "dbt" / "profiles.yml"
    profile.parent.mkdir(parents=True)
    root = home / "sites" / site
    root.mkdir(parents=True)
    output = {
        "type": "duckdb",
        "path": str(root / "warehouse.duckdb"),
        "external_root": str(root),
        "schema": source_format,
    }
    profile.write_text(json.dumps({"pumasi": {"target": site, "outputs": {site: output}}}))
    target = home / "target"
    _compile(source_format, profile.parent, target, home / "logs")
    manifest = target / "manifest.json"
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    return CompiledProject(_seeds(nodes), _models(nodes), str(root), manifest, _tests(nodes))


def _compile(source_format: str, profiles: Path, target: Path, logs: Path) -> None:
    dbt = Path(sys.executable).with_name("dbt")
    folders = ["--profiles-dir", str(profiles), "--target-path", str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and every argument is ours
            [str(dbt), "--quiet", "--no-use-colors", "compile", *folders],
            cwd=project_root() / "dbt_project",
            env=program_environment() | {"DBT_LOG_PATH": str(logs)},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise CompileError(f"dbt can't be started: {dbt}: {error.strerror}; `make setup`") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-_LAST_CHARACTERS:]
        raise CompileError(f"dbt can't compile the project for {source_format}: {said}")


def _seeds(nodes: Mapping[str, Any]) -> tuple[Seed, ...]:
    return tuple(
        Seed(
            node["schema"],
            node["name"],
            str(project_root() / "dbt_project" / node["original_file_path"]),
            node["config"].get("column_types") or {},
        )
        for node in nodes.values()
        if node["resource_type"] == "seed"
    )


def _models(nodes: Mapping[str, Any]) -> tuple[Model, ...]:
    """Return the models, each after those that it reads."""
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    ordered: list[str] = []
    while len(ordered) < len(models):
        ordered += [
            key
            for key, node in models.items()
            if key not in ordered
            and all(
                other in ordered or other not in models for other in node["depends_on"]["nodes"]
            )
        ]
    return tuple(_model(models[key], nodes) for key in ordered)


def _model(node: Mapping[str, Any], nodes: Mapping[str, Any]) -> Model:
    parents = (nodes[key]["name"] for key in node["depends_on"]["nodes"] if key in nodes)
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    return Model(node["schema"], node["name"], kind, node["compiled_code"], tuple(parents))


def _tests(nodes: Mapping[str, Any]) -> tuple[DataTest, ...]:
    """Return the data tests that dbt runs: of a disabled model it compiles none."""
    return tuple(
        DataTest(key, node["compiled_code"], str(node["config"]["severity"]).lower() == "warn")
        for key, node in nodes.items()
        if node["resource_type"] == "test" and node.get("compiled_code")
    )
