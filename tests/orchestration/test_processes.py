"""A process is known again by its number and its start, and no other is taken for it."""

import os
import subprocess
import sys
from pathlib import Path

from orchestration.processes import has_ended, is_same_start, living, start_of, this_process


def test_the_start_of_a_process_is_that_of_any_who_asks() -> None:
    ask = f"from orchestration.processes import start_of; print(start_of({os.getpid()}), end='')"
    asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert asked.stdout == start_of(os.getpid())


def test_a_process_whose_name_looks_like_fields_has_its_start(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process, subprocess.Popen(["sleep", "60"]) as next_:
        first, second = str(start_of(process.pid)), str(start_of(next_.pid))
        process.kill()
        next_.kill()
    assert first.rpartition("/")[0] == second.rpartition("/")[0]
    assert 0 <= int(second.rpartition("/")[2]) - int(first.rpartition("/")[2]) < 1000
    assert start_of(process.pid) is None


def test_ticks_are_compared_exactly_and_times_of_day_within_seconds() -> None:
    assert is_same_start("boot/4711", "boot/4711")
    assert not is_same_start("boot/4711", "boot/4712")
    assert not is_same_start("boot/4711", "next/4711")
    assert is_same_start("1795825971.25", "1795825973.0")
    assert not is_same_start("1795825971.25", "1795825981.25")


def test_a_process_that_named_itself_is_known_to_have_ended_as_soon_as_it_has() -> None:
    code = """
import time
from orchestration.processes import this_process
print(this_process(), flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        name = process.stdout.readline().strip("\n")
        assert not has_ended(name)
        process.kill()
        # Its number is its own until it is asked for its code.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert start_of(process.pid)
        assert has_ended(name)
    assert has_ended(name)
    assert living(os.getpid(), str(start_of(os.getpid())))


def test_a_process_of_another_container_has_not_ended_as_far_as_is_known() -> None:
    pid, start, namespace = this_process().split(" ")
    boot, _, ticks = start.partition("/")
    earlier = f"{boot}/{int(ticks) - 1}"
    assert not has_ended(f"{pid} {start} {namespace}")
    assert has_ended(f"{pid} {earlier} {namespace}")
    assert not has_ended(f"{pid} {earlier} pid:[1]")
    # Of before the machine was started anew, wherever it was.
    assert has_ended(f"{pid} another/{ticks} pid:[1]")
