"""What the end-to-end tests build: every data set and every story once in a session.

Builds take most of the time and wait a good deal, so whatever the selected tests will ask for is
started with the first one that asks, two at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.flower.programs import unused_port
from pumasi.config import project_root
from tests.end_to_end.extracts import Extract, extract_of
from tests.end_to_end.network import SETS, Built, Demo, Network
from tests.end_to_end.stories import KEY, SITE, Interrupted, Variants, Works, interrupted, variants

AT_ONCE = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is slow: it waits for builds."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Network:
    """The network of the shared sets: configured, nothing built yet."""
    network = Network(tmp_path_factory.mktemp("network"))
    for each in SETS.values():
        network.add(each.site, each.toml(shared_data), key=KEY if each.site == SITE else None)
    assert network.pumasi("site", "sync").returncode == 0
    # Dagster makes its databases at first use; two programs must not do so at once.
    with dg.DagsterInstance.from_config(str(network.home / "dagster")) as instance:
        assert instance.get_runs_count() == 0
    return network


@pytest.fixture(scope="session")
def works(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    network: Network,
    shared_data: Path,
) -> Iterator[Works]:
    """Everything that the selected tests need, started."""
    works = Works({})
    killed, told = tmp_path_factory.mktemp("interrupted"), tmp_path_factory.mktemp("variants")
    possible: dict[str, Callable[[], Any]] = {
        "interrupted_build": partial(interrupted, killed, shared_data),
        **{site: partial(network.build, site) for site in SETS},
        "told_otherwise": lambda: variants(network, works.result(SITE), told, shared_data),
    }
    needed = _needed(request.session.items)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, work in possible.items():
            if name in needed:
                works.futures[name] = pool.submit(work)
        yield works
        pool.shutdown(cancel_futures=True)


def _needed(items: list[pytest.Item]) -> set[str]:
    """Names of sites and stories that the selected tests take as parameters or fixtures."""
    needed: set[str] = set()
    for item in items:
        if isinstance(item, pytest.Function):
            needed |= set(item.fixturenames)
            if hasattr(item, "callspec"):
                needed |= {str(value) for value in item.callspec.params.values()}
    return needed | (set(SETS) if "all_built" in needed else set())


@pytest.fixture(params=list(SETS))
def built(request: pytest.FixtureRequest, works: Works) -> Built:
    """Each shared set in turn, built."""
    return _built(works, request.param)


@pytest.fixture
def extract(built: Built, shared_data: Path) -> Extract:
    """The files that the built set came from, read by Python alone."""
    return extract_of(shared_data / SETS[built.site].folder)


@pytest.fixture
def all_built(works: Works) -> list[Built]:
    """Every shared set, built."""
    return [_built(works, site) for site in SETS]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The four hospitals after the demo, with a tenth of its persons.

    Enough that asthma has its cases at the larger hospitals, and none has those of Fabry disease.
    """
    network = Network(tmp_path_factory.mktemp("demo"))
    shutil.copytree(project_root() / "network", network.sites)
    # Another worker may have a demo of its own.
    with (network.sites / "hub.toml").open("a") as hub:
        hub.write(f"port = {unused_port()}\n")
    done = network.pumasi("demo", "--scale", "0.1")
    assert done.returncode == 0, done.stdout
    return Demo(network, " ".join(done.stdout.split()))


@pytest.fixture
def gibleed(works: Works) -> Built:
    """OHDSI's GiBleed, built."""
    return _built(works, "gibleed")


@pytest.fixture
def smart(works: Works) -> Built:
    """SMART's FHIR R4 sample, built."""
    return _built(works, "smart")


@pytest.fixture
def synthea27(works: Works) -> Built:
    """Synthea's 27 persons as CSV, built."""
    return _built(works, "synthea27")


@pytest.fixture
def told_otherwise(synthea27: Built, works: Works) -> Variants:
    """Synthea's 27 persons built again, shuffled, and changed."""
    found = works.result("told_otherwise")
    assert isinstance(found, Variants)
    return found


@pytest.fixture
def interrupted_build(works: Works) -> Interrupted:
    """The story of the builds that were killed."""
    found = works.result("interrupted_build")
    assert isinstance(found, Interrupted)
    return found


def _built(works: Works, site: str) -> Built:
    if site == SITE and "told_otherwise" in works.futures:
        works.result("told_otherwise")  # builds this site again, in its place
    found = works.result(site)
    assert isinstance(found, Built)
    return found
