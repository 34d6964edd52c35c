"""The hospital that the tests of the pages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.release.tiny import TinySite


@pytest.fixture
def site(tmp_path: Path) -> TinySite:
    return TinySite(tmp_path / "home")
