"""Programs that Pumasi starts report to nobody and find what they need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pumasi.config import project_root
from pumasi.config.environment import NO_TELEMETRY, program_environment


def test_a_program_gets_absolute_folders_and_no_telemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUMASI_HOME", "home")
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    environment = program_environment()
    assert environment["PUMASI_HOME"] == str(tmp_path / "home")
    assert environment["DAGSTER_HOME"] == str(tmp_path / "home" / "dagster")
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert NO_TELEMETRY.items() <= environment.items()


def test_make_switches_off_the_same_telemetry() -> None:
    makefile = (project_root() / "Makefile").read_text(encoding="utf-8")
    for variable, value in NO_TELEMETRY.items():
        assert f"export {variable} := {value}\n" in makefile
