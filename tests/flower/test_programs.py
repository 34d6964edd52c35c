"""Programs that outlive the command that starts them."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from orchestration.flower.programs import end, start
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
    stranger = replace(program, started=program.started - 1)
    assert stranger.family() == []
    assert end([stranger]) == []
    assert program.runs
    assert end([program]) == []
    assert not program.runs
