"""Training that is killed, or finds the disk full, leaves the model that was there, whole."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pumasi.learn.task import load_model
from tests.scripts import run_script

# Trains from the release that is named; ends itself by SIGKILL at the first call of the function.
KILLED = """
import os, signal, sys
from pathlib import Path
from pumasi.learn.task import fit
from tests.learn.test_task import TASK, cohort
folder, function = sys.argv[1:]
if function != "nothing":
    setattr(os, function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
fit(TASK, cohort(), "r1").save(Path(folder))
"""
# A file can't grow beyond the limit: what a full disk does, as an ordinary user can cause it.
FULL_DISK = """
import resource, sys
from pathlib import Path
from pumasi.learn.task import fit
from tests.learn.test_task import TASK, cohort
model = fit(TASK, cohort(seed=4), "r1")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
model.save(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_killed_while_the_model_is_written_and_trained_again(tmp_path: Path, function: str) -> None:
    killed = run_script(KILLED, tmp_path, function)

    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("*.json")) == []

    again = run_script(KILLED, tmp_path, "nothing")
    assert again.returncode == 0, again.stderr
    assert load_model(tmp_path / "r1.json").release == "r1"


def test_a_full_disk_leaves_the_model_that_was_there(tmp_path: Path) -> None:
    assert run_script(KILLED, tmp_path, "nothing").returncode == 0
    before = (tmp_path / "r1.json").read_bytes()

    full = run_script(FULL_DISK, tmp_path)

    assert full.returncode == 1
    assert "File too large" in full.stderr
    assert (tmp_path / "r1.json").read_bytes() == before
