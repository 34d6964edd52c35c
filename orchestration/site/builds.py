"""What a build says of itself: who made it, with what, and where it broke if it did.

A release must be made of what one whole run of dbt left, and of nothing older or newer. So the
transform takes away the candidate and its own note before it begins, notes at its end which run
made the warehouse, and the candidate is written only while that run is still the last one.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import duckdb

from pumasi.atomic import write_text
from pumasi.config import SitePaths, project_root
from pumasi.errors import ReleaseError
from pumasi.extract.tombstones import require_purged
from pumasi.incremental import Inputs
from pumasi.release import Provenance, close_unsealed, seal_broken, transformation_hash
from pumasi.warehouse import hold_warehouse

PACKAGES = ("pumasi", "duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "dagster")

TRANSFORMED = "transformed.json"


def project_folder() -> Path:
    """Folder of the dbt project."""
    return project_root() / "dbt_project"


def provenance(run_id: str) -> Provenance:
    """The run, and the versions of what took part."""
    return Provenance(run_id, {name: version(name) for name in PACKAGES})


def begin_transform(paths: SitePaths) -> None:
    """Take away what was made of the warehouse as it was: the note of it, and the candidate.

    Raises:
        WithdrawalError: a withdrawal has not ended, so that somebody who withdrew may be in raw.
    """
    require_purged(paths)
    (paths.root / TRANSFORMED).unlink(missing_ok=True)
    shutil.rmtree(paths.candidate, ignore_errors=True)


def end_transform(
    paths: SitePaths, connection: duckdb.DuckDBPyConnection, inputs: Inputs, changed: int | None
) -> None:
    """Note that the warehouse is whole: which run of dbt ended it, and all that it is made of.

    `changed` are the persons who were built; None if it was everybody.
    """
    said = {
        "dbt_run": _last_dbt_run(connection),
        "inputs": inputs.to_dict(),
        "changed_persons": changed,
    }
    write_text(paths.root / TRANSFORMED, json.dumps(said) + "\n")


def transformation_of(paths: SitePaths, connection: duckdb.DuckDBPyConnection) -> str:
    """Hash of the SQL that made the warehouse, all of it in one run of dbt.

    Raises:
        ReleaseError: the last transform didn't end or made a part only, or dbt has written to the
            warehouse since.
    """
    try:
        said = json.loads((paths.root / TRANSFORMED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(
            f"site {paths.root.name}: the last transform did not end, or made some of the tables "
            "only; materialise all seeds and models together, then the candidate"
        ) from None
    if said["dbt_run"] != _last_dbt_run(connection):
        raise ReleaseError(
            f"site {paths.root.name}: dbt has written to the warehouse since the transform, so its "
            "tables may be of different builds; run the build again"
        )
    return str(said["inputs"]["transformation"])


def inputs_before(paths: SitePaths) -> Inputs | None:
    """What the warehouse is made of, if it is whole and nobody has written to it since."""
    if not paths.warehouse.exists():
        return None
    try:
        with hold_warehouse(paths) as connection:
            transformation_of(paths, connection)
        said = json.loads((paths.root / TRANSFORMED).read_text(encoding="utf-8"))
    except ReleaseError:
        return None
    return Inputs.from_dict(said["inputs"])


def _last_dbt_run(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Id of the run of dbt that wrote last, as the macro `stamp_run` left it."""
    try:
        rows = connection.execute("select invocation_id from main.last_dbt_run").fetchall()
    except duckdb.CatalogException:
        return None
    return str(rows[0][0])


@contextmanager
def closed_when_broken(paths: SitePaths, step: str, run_id: str) -> Iterator[None]:
    """Seal a closed release that names the step if the block raises, and let the error go on.

    Without it the release before, perhaps open, would stay the latest one.
    """
    try:
        yield
    except Exception as error:
        _seal_broken(paths, step, type(error).__name__, run_id)
        raise


def _seal_broken(paths: SitePaths, step: str, error_class: str, run_id: str) -> None:
    """Seal a closed release, or, where the disk takes no file, close the site without one."""
    try:
        seal_broken(
            paths,
            step,
            error_class,
            provenance(run_id),
            sealed_at=datetime.now(UTC),
            transformation=transformation_hash(project_folder()),
        )
    except ReleaseError:
        # The error that broke the build is the one to be seen, so this one only is logged.
        logging.getLogger(__name__).exception("a broken build can't be sealed; the site is closed")
        close_unsealed(paths)
