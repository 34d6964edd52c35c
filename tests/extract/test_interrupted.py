"""Whatever ends a reading, a kill, a full disk, another process: it is whole or not at all."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pumasi.config import SitePaths, project_root
from pumasi.errors import DeliveryError
from pumasi.extract import discover, pull, read
from pumasi.extract.workplace import alone
from tests.extract.extracts import (
    OMOP,
    Taken,
    content_of,
    place_key,
    site_of,
    take_in,
    write_files,
)

Intact = Callable[[], None]
Content = dict[str, str]

# Pulls and reads one delivery, saying where it is; a line on stdin lets it go on from there.
PROGRAM = """
import resource, sys
from datetime import date
from pathlib import Path
from pumasi.config import SitePaths
from pumasi.errors import PumasiError
from pumasi.extract import discover, pull, read
from tests.extract.extracts import site_of

def say(message):
    print(message, flush=True)
    if message.startswith(stop):
        sys.stdin.readline()

folder, home, as_of, stop, limit = sys.argv[1:]
paths = SitePaths.of("tiny", Path(home))
config = site_of(folder, as_of=date.fromisoformat(as_of))
(delivery,) = discover(config)
manifest = pull(config, delivery, paths, say)
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    read(config, manifest, delivery, paths, say)
except PumasiError as error:
    sys.exit(f"{type(error).__name__}: {error}")
say("done")
"""


def start(
    folder: Path, home: Path, stop: str = "nowhere", as_of: str = "2024-07-31", limit: int = 0
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(home), as_of, stop, str(limit)],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], message: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(message):
            return
    process.wait()
    raise AssertionError(f"ended before {message!r}: {process.stderr and process.stderr.read()}")


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second delivery, large enough to be interrupted."""
    folder = tmp_path_factory.mktemp("larger")
    with duckdb.connect() as connection:
        for table, columns in {
            "person": "i as person_id, 8507 as gender_concept_id, 1950 as year_of_birth, "
            "null as month_of_birth, null as race_concept_id, null as ethnicity_concept_id, "
            "'' as gender_source_value, '' as race_source_value, '' as ethnicity_source_value",
            "observation_period": "i as observation_period_id, i as person_id, "
            "'2010-01-01' as observation_period_start_date, "
            "'2020-01-01' as observation_period_end_date, null as period_type_concept_id",
            "condition_occurrence": "i as condition_occurrence_id, i as person_id, "
            "317009 as condition_concept_id, '2015-01-01' as condition_start_date, "
            "uuid()::varchar as stop_reason, i as visit_occurrence_id, "
            "null as condition_end_date, null as condition_source_value, "
            "null as condition_type_concept_id",
        }.items():
            target = folder / f"{table}.csv"
            connection.execute(f"copy (select {columns} from range(20000) r(i)) to '{target}'")
    return folder


@pytest.fixture(scope="module")
def undisturbed(larger: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """The content of the second delivery when nothing happens."""
    return take_in(site_of(larger), tmp_path_factory.mktemp("undisturbed")).content()


@pytest.fixture
def first(tmp_path: Path) -> Taken:
    """What was read before, under a key of the hospital's own."""
    return take_in(site_of(write_files(tmp_path / "first", OMOP)), tmp_path / "home")


@pytest.fixture
def intact(first: Taken) -> Intact:
    """Asserts that the first delivery is as it was."""
    raw = first.paths.raw / first.manifest.delivery_id
    before = {path.name: path.read_bytes() for path in raw.iterdir()}

    def check() -> None:
        assert {path.name: path.read_bytes() for path in raw.iterdir()} == before

    return check


def read_again(larger: Path, home: Path) -> Content:
    """Run again after whatever happened; the content of the second delivery."""
    taken = take_in(site_of(larger, as_of=date(2024, 7, 31)), home)
    assert [path.name for path in taken.paths.reading.iterdir()] == [".lock"]
    return taken.content()


# In the middle of pulling, between tables, and when all tables but one are there.
@pytest.mark.parametrize(
    "stop", ["person.csv:", "reading observation_period", "reading cdm_source"]
)
def test_kill_9_and_run_again(
    tmp_path: Path,
    larger: Path,
    first: Taken,
    intact: Intact,
    undisturbed: Content,
    stop: str,
) -> None:
    process = start(larger, tmp_path / "home", stop)
    wait_for(process, stop)
    kill(process)
    assert [path.name for path in first.paths.raw.iterdir()] == [first.manifest.delivery_id]
    intact()
    assert read_again(larger, tmp_path / "home") == undisturbed
    intact()


def test_kill_9_at_any_moment_and_run_again(
    tmp_path: Path,
    larger: Path,
    first: Taken,
    intact: Intact,
    undisturbed: Content,
) -> None:
    """Not where it reports, but in the middle of DuckDB's work."""
    for wait in (0.02, 0.1, 0.25):
        process = start(larger, tmp_path / "home")
        wait_for(process, "reading person")
        time.sleep(wait)
        kill(process)
        for raw in first.paths.raw.iterdir():  # whole or not there
            assert (raw / "delivery.parquet").exists()
        intact()
    assert read_again(larger, tmp_path / "home") == undisturbed


HOLD = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(warehouse: Path) -> subprocess.Popen[str]:
    """A process that holds the warehouse as a build does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process, "held")
    return process


def test_a_delivery_that_arrives_while_a_build_runs_waits_for_it(
    tmp_path: Path,
    larger: Path,
    first: Taken,
    intact: Intact,
    undisturbed: Content,
) -> None:
    build = hold(first.paths.warehouse)
    reader = start(larger, tmp_path / "home")
    wait_for(reader, "another process holds the warehouse; waiting for it")
    assert [path.name for path in first.paths.raw.iterdir()] == [first.manifest.delivery_id]
    seen: list[set[str]] = []
    stop = threading.Event()

    def watch() -> None:
        """What anybody sees of the new delivery while it appears."""
        while not stop.is_set():
            for raw in first.paths.raw.iterdir():
                if raw.name != first.manifest.delivery_id:
                    seen.append({path.name for path in raw.iterdir()})

    watcher = threading.Thread(target=watch)
    watcher.start()
    go_on(build)
    build.communicate()
    assert reader.communicate()[1] == ""
    time.sleep(0.1)
    stop.set()
    watcher.join()
    assert reader.returncode == 0
    assert {name for names in seen for name in names} == seen[0]
    assert {"person.parquet", "delivery.parquet", "read_counts.parquet"} <= seen[0]
    assert all(names == seen[0] for names in seen)
    intact()


def test_kill_9_while_it_waits_for_a_build_and_run_again(
    tmp_path: Path,
    larger: Path,
    first: Taken,
    intact: Intact,
    undisturbed: Content,
) -> None:
    """The last moment: everything is written, nothing is visible."""
    build = hold(first.paths.warehouse)
    reader = start(larger, tmp_path / "home")
    wait_for(reader, "another process holds the warehouse")
    kill(reader)
    kill(build)
    assert [path.name for path in first.paths.raw.iterdir()] == [first.manifest.delivery_id]
    assert read_again(larger, tmp_path / "home") == undisturbed
    intact()


@pytest.mark.parametrize("limit", [4_000, 300_000])
def test_a_full_disk(
    tmp_path: Path,
    larger: Path,
    first: Taken,
    intact: Intact,
    undisturbed: Content,
    limit: int,
) -> None:
    """No file may grow beyond the limit; the kernel refuses as it does on a full disk."""
    process = start(larger, tmp_path / "home", limit=limit)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.startswith("DeliveryError: ")
    assert "the disk is full or can't be written; free space and run again" in error
    assert "what was read before is intact" in error
    assert str(tmp_path) not in error
    assert [path.name for path in first.paths.raw.iterdir()] == [first.manifest.delivery_id]
    assert [path.name for path in first.paths.reading.iterdir()] == [".lock"]
    intact()
    assert read_again(larger, tmp_path / "home") == undisturbed
    intact()


def test_a_full_disk_while_a_zip_is_unpacked(tmp_path: Path, larger: Path) -> None:
    folder = tmp_path / "zipped"
    folder.mkdir()
    with zipfile.ZipFile(folder / "cdm.zip", "w") as archive:
        for path in larger.iterdir():
            archive.write(path, path.name)
    paths = SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(site_of(folder))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(DeliveryError) as raised:
            pull(site_of(folder), delivery, paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(raised.value) == (
        "site tiny, delivery zipped: the disk is full or can't be written; free space and run "
        "again. Nothing of it was taken in; what was read before is intact"
    )
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    assert take_in(site_of(folder), tmp_path / "home").counts("person")[1] == 20000


def test_two_processes_read_one_after_the_other(
    tmp_path: Path, larger: Path, undisturbed: Content
) -> None:
    home = tmp_path / "home"
    place_key(SitePaths.of("tiny", home))
    one = start(larger, home, "reading condition_occurrence")
    wait_for(one, "reading condition_occurrence")
    two = start(larger, home)
    wait_for(two, "another process reads a delivery of this hospital; waiting for it")
    go_on(one)
    assert one.communicate()[1] == ""
    assert two.communicate()[1] == ""
    assert (one.returncode, two.returncode) == (0, 0)
    paths = SitePaths.of("tiny", home)
    (raw,) = paths.raw.iterdir()
    assert content_of(raw) == undisturbed


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """Unpacked files hold identifiers: they don't stay."""
    folder = write_files(tmp_path / "extract", OMOP)
    paths = SitePaths.of("tiny", tmp_path / "home")
    write_files(paths.reading / "landing" / "zip", {"person.csv": "person_id,name\n1,Ada Byron\n"})
    (delivery,) = discover(site_of(folder))
    pull(site_of(folder), delivery, paths)
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]


def test_an_error_inside_leaves_the_place_free(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)

    def fail(message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(config, manifest, delivery, paths, progress=fail)
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    with alone(paths):
        pass
    read(config, manifest, delivery, paths)
    stated = json.loads((paths.deliveries / f"{manifest.delivery_id}.json").read_text())
    assert [path.name for path in paths.raw.iterdir()] == [stated["delivery_id"]]
