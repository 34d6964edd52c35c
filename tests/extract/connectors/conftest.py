"""One PostgreSQL for all tests of the connectors."""

from collections.abc import Iterator

import pytest

from tests.extract.connectors.postgres import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running server; a test that stops it starts it again."""
    with running_server() as running:
        yield running
