"""dbt's command line for a site: which program, with which options, in which home."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.site.builds import project_folder
from pumasi.config import SiteConfig
from pumasi.config.environment import program_environment
from pumasi.config.workspace import profiles_folder
from pumasi.errors import ReleaseError

# Seeds and models, without their tests.
BUILD = ("build", "--resource-type", "model", "--resource-type", "seed")
# Its results are in run_results.json: a line per test in a log costs a sixth of the time.
TEST = ("--log-level-file", "none", "test", "--exclude-resource-type", "unit_test")


def dbt_program() -> str:
    """Path of the dbt of this virtual environment, activated or not."""
    return str(Path(sys.executable).with_name("dbt"))


def dbt_arguments(config: SiteConfig, target: Path) -> list[str]:
    """Options that make dbt work on this site: its target, profile and target folder."""
    return [
        "--target",
        config.id,
        "--profiles-dir",
        str(profiles_folder()),
        "--target-path",
        str(target),
        "--log-path",
        str(target),
    ]


def run_dbt(config: SiteConfig, home: Path, target: Path, arguments: Sequence[str]) -> None:
    """Run dbt with PUMASI_HOME `home`.

    Raises:
        ReleaseError: a model broke; the message names it and not what dbt said, which may quote a
            row.
    """
    if _run(config, home, target, arguments):
        broken = ", ".join(_broken(target / "run_results.json"))
        raise ReleaseError(
            f"site {config.id}: dbt broke at {broken or 'its start'}; see {target}/dbt.log, then "
            "build again"
        )


def run_dbt_tests(config: SiteConfig, home: Path, target: Path) -> None:
    """Run every data test; `run_results.json` below `target` has what each found.

    A failing test is a finding and no error. If dbt dies there is no file of results: yesterday's
    is deleted before.
    """
    _run(config, home, target, TEST)


def _run(config: SiteConfig, home: Path, target: Path, arguments: Sequence[str]) -> int:
    (target / "run_results.json").unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603 - our own program, arguments from the configuration
        [dbt_program(), "--quiet", *arguments, *dbt_arguments(config, target)],
        cwd=project_folder(),
        env={**program_environment(), "PUMASI_HOME": str(home), "PUMASI_SITE": config.id},
        capture_output=True,
        check=False,
    )
    return done.returncode


def _broken(results: Path) -> list[str]:
    try:
        said = json.loads(results.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError):
        return []
    return [each["unique_id"].split(".")[-1] for each in said if each["status"] == "error"]
