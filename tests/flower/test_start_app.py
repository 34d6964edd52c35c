"""A node runs the app that is installed at the hospital, whatever the hub ships."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from orchestration.flower.node.start_app import ANOTHER_APP, is_installed, tell
from orchestration.flower.places import APP
from pumasi.answer import hospital


def shipped(tmp_path: Path, change: Callable[[Path], object]) -> bytes:
    """What Flower makes of the app after a change."""
    app = tmp_path / "app"
    shutil.copytree(APP, app, ignore=shutil.ignore_patterns("__pycache__"))
    change(app)
    return build_fab_from_disk(app)


def test_the_app_as_it_is_installed_is_started(tmp_path: Path) -> None:
    assert is_installed(shipped(tmp_path, lambda app: None))


def _append(name: str, text: str) -> Callable[[Path], object]:
    def change(app: Path) -> None:
        file = app / name
        file.write_text((file.read_text() if file.exists() else "") + text)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _append("relay/client_app.py", "# one comment more\n"),
        _append("relay/frames.py", "\n"),
        _append("relay/more.py", "x = 1\n"),
        _append("pyproject.toml", '\n[tool.flwr.app.config.more]\nx = "1"\n'),
    ],
)
def test_an_app_that_differs_in_anything_is_not(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    assert not is_installed(shipped(tmp_path, change))


def test_a_file_outside_the_app_is_none_of_it() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pyproject.toml", (APP / "pyproject.toml").read_text())
        archive.writestr("../places.py", (APP.parent / "places.py").read_text())
    assert not is_installed(buffer.getvalue())


def test_the_word_for_the_hospital_is_the_one_that_it_knows_and_nobody_need_listen() -> None:
    assert ANOTHER_APP == hospital.ANOTHER_APP
    tell("/nowhere/socket", ANOTHER_APP)
