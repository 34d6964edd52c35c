"""Programs that outlive the command that starts them."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestration.flower.programs import end, read_programs, start, write_programs
from tests.flower.cluster import is_gone, wait


def test_a_program_that_was_killed_is_asked_for_its_code_at_once(tmp_path: Path) -> None:
    # Flower's children look whether its number still exists, which that of a zombie does.
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = start("sleeping", command, dict(os.environ), tmp_path / "log")
    assert program.runs
    os.kill(program.pid, signal.SIGKILL)
    wait(lambda: not psutil.pid_exists(program.pid), 5)
    assert not program.runs


def test_what_a_program_left_when_it_was_killed_is_ended_with_it(tmp_path: Path) -> None:
    # As a relay of Flower's does whose node ends while it works: it waits for it for ever.
    code = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
    program = start(
        "with a child", [sys.executable, "-c", code], dict(os.environ), tmp_path / "log"
    )
    wait(lambda: (tmp_path / "log").read_text().endswith("\n"), 20)
    child = psutil.Process(int((tmp_path / "log").read_text()))
    os.kill(program.pid, signal.SIGKILL)
    wait(lambda: not program.runs, 5)
    assert not is_gone(child)
    assert program.family() == [child]
    assert end([program]) == []
    assert is_gone(child)


def test_a_session_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = start("sleeping", command, dict(os.environ), tmp_path / "log")
    stranger = replace(program, started=f"{program.started}0")
    assert stranger.family() == []
    assert end([stranger]) == []
    assert program.runs
    assert end([program]) == []
    assert not program.runs


def test_programs_are_found_again_after_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = start("sleeping", command, dict(os.environ), tmp_path / "log")
    write_programs(tmp_path / "programs.json", [program])
    # What the kernel says of the machine's start moves with the clock; what psutil adds to it.
    began = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: began + 3600)
    assert psutil.Process(program.pid).create_time() > time.time() + 1800
    (found,) = read_programs(tmp_path / "programs.json")
    assert found.runs
    assert end([found]) == []
    assert not program.runs
