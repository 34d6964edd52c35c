"""What all tests share: an environment of their own, the data sets nobody here wrote, a browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from pumasi.config import project_root
from pumasi.config.environment import NO_TELEMETRY
from tests.needs import unavailable


class ByFolder(LoadScopeScheduling):
    """Gives each process whole folders of tests, in their order: what they share is built once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0].split("/")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    """Take the place of the schedulers of pytest-xdist."""
    return ByFolder(config, log)


# Folders that take longest, first: one that begins last would run alone at the end.
FIRST = ("orchestration", "end_to_end", "dbt", "flower", "benchmarks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders of `FIRST` first; within a folder the order stays."""
    ranks = {folder: rank for rank, folder in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.split("/")[1], len(ranks)))


@pytest.fixture(autouse=True)
def own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No telemetry, no site or network chosen outside, and never the user's PUMASI_HOME."""
    for variable in ("PUMASI_NETWORK", "PUMASI_SITE", "PUMASI_HOME", "DAGSTER_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in NO_TELEMETRY.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets that others made; its README says what is peculiar about each."""
    folder = project_root().parent / "shared" / "data"
    if not folder.is_dir():
        unavailable("the shared data sets are not there: ../shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The program of a Debian chromium."""
    program = shutil.which("chromium")
    if program is None:
        unavailable("no chromium; to run this test: apt-get install chromium")
    return Path(program)
