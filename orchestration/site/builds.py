"""What a build says of itself: who made it, with what, and where it broke if it did."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pumasi.atomic import write_text
from pumasi.config import SitePaths, project_root
from pumasi.release import Provenance, seal_broken, transformation_hash

PACKAGES = ("pumasi", "duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "dagster")

TRANSFORMATION = "transformation.txt"


def project_folder() -> Path:
    """Folder of the dbt project."""
    return project_root() / "dbt_project"


def provenance(run_id: str) -> Provenance:
    """The run, and the versions of what took part."""
    return Provenance(run_id, {name: version(name) for name in PACKAGES})


def note_transformation(paths: SitePaths, transformation: str) -> None:
    """Write down which SQL made what is in the warehouse now."""
    write_text(paths.root / TRANSFORMATION, transformation + "\n")


def noted_transformation(paths: SitePaths) -> str:
    """The hash that `note_transformation` wrote; the project may have changed since."""
    return (paths.root / TRANSFORMATION).read_text().strip()


@contextmanager
def closed_when_broken(paths: SitePaths, step: str, run_id: str) -> Iterator[None]:
    """Seal a closed release that names the step if the block raises, and let the error go on.

    Without it the release before, perhaps open, would stay the latest one.
    """
    try:
        yield
    except Exception as error:
        seal_broken(
            paths,
            step,
            type(error).__name__,
            provenance(run_id),
            sealed_at=datetime.now(UTC),
            transformation=transformation_hash(project_folder()),
        )
        raise
