"""Programs that outlive the command that starts them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

from orchestration.flower.programs import start
from tests.flower.cluster import wait


def test_a_program_that_was_killed_is_asked_for_its_code_at_once(tmp_path: Path) -> None:
    # Flower's children look whether its number still exists, which that of a zombie does.
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    program = start("sleeping", command, dict(os.environ), tmp_path / "log")
    assert program.runs
    os.kill(program.pid, signal.SIGKILL)
    wait(lambda: not psutil.pid_exists(program.pid), 5)
    assert not program.runs
