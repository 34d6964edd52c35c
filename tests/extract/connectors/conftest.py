"""One PostgreSQL for all tests of the connectors, and a hospital of its own for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pumasi.config import SitePaths
from tests.extract.connectors.postgres import Server, running_server
from tests.extract.extracts import place_key


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running server; a test that stops it starts it again."""
    with running_server() as running:
        yield running


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    """The folders of a hospital under the key of the tests."""
    found = SitePaths.of("tiny", tmp_path / "home")
    place_key(found)
    return found
