"""Everything written at run time is under PUMASI_HOME."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumasi.config import SitePaths, home_folder, network_folder, project_root


def test_home_and_network_are_inside_the_project_unless_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PUMASI_HOME")
    assert home_folder() == project_root() / "var"
    assert network_folder() == project_root() / "network"


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUMASI_HOME", "elsewhere")
    monkeypatch.setenv("PUMASI_NETWORK", "sites")
    assert home_folder() == tmp_path / "elsewhere"
    assert network_folder() == tmp_path / "sites"


def test_every_path_of_a_site_lies_in_its_own_folder(tmp_path: Path) -> None:
    paths = SitePaths.of("bada", tmp_path)
    assert paths.root == tmp_path / "sites" / "bada"
    assert paths.warehouse == paths.root / "warehouse.duckdb"
    assert paths.key == paths.root / "keys" / "pseudonym.key"
    assert not paths.root.exists()


def test_the_project_root_holds_the_project() -> None:
    assert (project_root() / "pyproject.toml").is_file()
