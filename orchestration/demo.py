"""The demo network: every hospital of the network folder is built, two at a time.

Each build is a process of its own, as `pumasi build` would start it: what one hospital holds is
never in the memory of another's.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from pumasi.config import SiteConfig, SitePaths
from pumasi.learn.tasks import TASKS
from pumasi.release import Release, ask_gate, latest_release

AT_ONCE = 2


@dataclass(frozen=True)
class Build:
    """What the process that built a hospital ended with."""

    config: SiteConfig
    succeeded: bool
    said: str
    began: datetime
    seconds: float


def build_all(sites: Sequence[SiteConfig], console: Console) -> bool:
    """Build the hospitals and print what each ended in; False if a run failed."""
    builds = []
    with (
        console.status(f"building {', '.join(each.id for each in sites)}"),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        for done in as_completed([pool.submit(_build, config) for config in sites]):
            builds.append(done.result())
            console.print(builds[-1].said, markup=False, highlight=False)
    console.print(_table([each for site in sites for each in builds if each.config is site]))
    return all(each.succeeded for each in builds)


def _build(config: SiteConfig) -> Build:
    began, started = datetime.now(UTC), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "build"],
        env={**os.environ, "PUMASI_SITE": config.id},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Build(config, done.returncode == 0, done.stdout, began, time.monotonic() - started)


def _made(build: Build) -> Release | None:
    """The release that the build made; None if it failed before it sealed one, open or closed."""
    release = latest_release(SitePaths.of(build.config.id))
    if build.succeeded or (release and release.seal.sealed_at >= build.began):
        return release
    return None


def _table(builds: Sequence[Build]) -> Table:
    """One row per hospital: its gate, its persons, and the tasks whose model was trained."""
    table = Table(title="The demo network; a task that is not named was not trained, see above")
    for column in ("hospital", "format", "seconds", "persons", "gate", "models"):
        table.add_column(column, no_wrap=True)
    for build in builds:
        config, paths = build.config, SitePaths.of(build.config.id)
        release = _made(build)
        if release is None:
            gate, persons, models = "build failed", "", []
        else:
            gate = ask_gate(config.id, release, None, datetime.now(UTC)).state
            tables = release.manifest.tables
            persons = f"{tables['person'].rows:,}" if "person" in tables else ""
            made = {task.name: paths.models / task.name / f"{release.id}.json" for task in TASKS}
            models = [name for name, file in made.items() if file.exists()]
        said = "\n".join(models) or "none"
        table.add_row(config.id, config.format, f"{build.seconds:.0f}", persons, gate, said)
    return table
