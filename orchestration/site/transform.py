"""The dbt project as assets of a hospital: seeds and models, run without their tests.

dbt tests are run afterwards as data (`orchestration.site.quality`): a failing test is a finding
about the build, not the end of it. A model that breaks seals a closed release that names the step.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    dbt_assets,
)
from packaging.version import Version

from orchestration.site.builds import (
    begin_transform,
    closed_when_broken,
    end_transform,
    inputs_before,
    project_folder,
)
from orchestration.site.dbt_command import BUILD, dbt_arguments, dbt_program
from orchestration.site.extract import pool
from orchestration.site.increment import increment
from orchestration.site.project import Project
from pumasi.config import SiteConfig, SitePaths, home_folder
from pumasi.config.workspace import profiles_folder
from pumasi.errors import ReleaseError
from pumasi.incremental import inputs_of, new_deliveries
from pumasi.release import transformation_hash
from pumasi.warehouse import hold_warehouse, row_counts

LAYERS = ("staging", "intermediate", "omop", "marts")


def dbt_project(config: SiteConfig, paths: SitePaths) -> Path:
    """Manifest of the project as it is for this site, parsed anew when a file of it changed.

    The environment of this process is made what dbt reads: absolute, and for this site.
    """
    os.environ["PUMASI_HOME"] = str(home_folder())
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    manifest = paths.dbt_target / "manifest.json"
    stamp = paths.dbt_target / "project.sha256"
    state = _project_state(config)
    if not manifest.exists() or not stamp.exists() or stamp.read_text() != state:
        paths.dbt_target.mkdir(parents=True, exist_ok=True)
        _parse(config, paths)
        for command in ("run", "test"):
            # What dbt parsed once it need not parse again: three seconds a command.
            target = paths.dbt_target / command
            target.mkdir(exist_ok=True)
            shutil.copy(paths.dbt_target / "partial_parse.msgpack", target)
        stamp.write_text(state)
    return manifest


class DbtProgram(DbtCliResource):
    """dbt's command line, without what dagster-dbt asks of it before each command.

    It starts the program to learn its version, and loads an adapter for metadata that nobody here
    fetches: six seconds of a build.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def dbt_resource(config: SiteConfig) -> DbtProgram:
    """dbt's command line for this site."""
    return DbtProgram(
        project_dir=str(project_folder()),
        profiles_dir=str(profiles_folder()),
        target=config.id,
        dbt_executable=dbt_program(),
    )


def assets(config: SiteConfig, paths: SitePaths, manifest: Path) -> list[dg.AssetsDefinition]:
    """One asset per seed and model, keyed [site, layer, name]."""

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=SiteTranslator(config.id),
        name=f"{config.id}_dbt",
        pool=pool(config),
    )
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        with closed_when_broken(paths, "transform", context.run.run_id):
            before = None if context.is_subset else inputs_before(paths)
            begin_transform(paths)
            now = inputs_of(paths, transformation_hash(project_folder()))
            new = new_deliveries(before, now) if before else ()
            changed = None
            if before and new:
                changed = increment(config, paths, manifest, before, new, context.log.info)
            if changed is not None:
                events: list[Any] = _outputs(context, manifest)
            else:
                run = dbt.cli([*BUILD], context=context, target_path=paths.dbt_target / "run")
                events = list(run.stream())
            with hold_warehouse(paths, progress=context.log.info) as connection:
                if not context.is_subset:
                    end_transform(paths, connection, now, changed)
                counts = row_counts(connection, Project(manifest).counted_as)
                flags = _flags_of_marts(connection)
        for event in events:
            yield _with_counts(event, context, counts, flags)

    return [models]


class SiteTranslator(DagsterDbtTranslator):
    """Names dbt's nodes as assets of a site, grouped by layer."""

    def __init__(self, site: str) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(
                enable_duplicate_source_asset_keys=True, enable_asset_checks=False
            )
        )
        self.site = site

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return [site, layer, name]; every source is one of the assets raw and vocabulary."""
        if dbt_resource_props["resource_type"] == "source":
            vocabulary = dbt_resource_props["source_name"] == "vocabulary"
            return dg.AssetKey([self.site, "vocabulary" if vocabulary else "raw"])
        return dg.AssetKey([self.site, self._layer(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the layer."""
        return self._layer(dbt_resource_props)

    def _layer(self, properties: Mapping[str, Any]) -> str:
        if properties["resource_type"] == "seed":
            return "seeds"
        folder = properties["fqn"][1]
        return folder if folder in LAYERS else "intermediate"


def table_keys(site: str, manifest: Path) -> list[dg.AssetKey]:
    """Asset keys of all seeds and models, each ending in its name; dbt gives none twice."""
    translator = SiteTranslator(site)
    return sorted(map(translator.get_asset_key, Project(manifest).models.values()))


def _flags_of_marts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Rows in which each boolean column of each mart is true, so that nobody has to query them."""
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name = 'marts' and data_type = 'BOOLEAN' order by all"
    ).fetchall()
    flags: dict[str, dict[str, int]] = {}
    for table, column in columns:
        found = connection.execute(
            f'select count(*) from marts."{table}" where "{column}"'
        ).fetchall()
        flags.setdefault(table, {})[f"{column} is true"] = found[0][0]
    return flags


def _outputs(context: dg.AssetExecutionContext, manifest: Path) -> list[dg.Output[None]]:
    """One output for each model, in an order in which each comes after what it reads."""
    order = {name: number for number, name in enumerate(Project(manifest).order)}
    selected = context.op_execution_context.selected_output_names
    names = {name: context.asset_key_for_output(name).path[-1] for name in selected}
    return [dg.Output(None, name) for name in sorted(names, key=lambda each: order[names[each]])]


def _with_counts(
    event: Any,
    context: dg.AssetExecutionContext,
    counts: Mapping[str, int],
    flags: Mapping[str, Mapping[str, int]],
) -> Any:
    if not isinstance(event, dg.Output) or event.output_name is None:
        return event
    name = context.asset_key_for_output(event.output_name).path[-1]
    if name not in counts:
        return event
    said = {"dagster/row_count": counts[name], **flags.get(name, {})}
    return event.with_metadata({**event.metadata, **said})


def _parse(config: SiteConfig, paths: SitePaths) -> None:
    command = [dbt_program(), "--quiet", "parse", *dbt_arguments(config, paths.dbt_target)]
    done = subprocess.run(  # noqa: S603 - our own program, arguments from the configuration
        command, cwd=project_folder(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(
            f"site {config.id}: dbt can't parse the project; `cd dbt_project && dbt parse "
            f"--target {config.id}` shows why. It said: {(done.stdout + done.stderr)[-2000:]}"
        )


def _project_state(config: SiteConfig) -> str:
    """Hash of everything that parsing depends on: the project's files and the site's profile."""
    digest = sha256(config.format.encode())
    roots: Sequence[Path] = [
        project_folder() / name for name in ("models", "macros", "seeds", "tests")
    ]
    files = [path for root in roots for path in root.rglob("*") if path.is_file()]
    files += [project_folder() / "dbt_project.yml", profiles_folder() / "profiles.yml"]
    for path in sorted(files):
        digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()
