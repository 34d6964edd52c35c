"""A vocabulary is the old one or the new one, whatever ends its reading."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pumasi.config import SitePaths, project_root
from pumasi.errors import VocabularyError
from pumasi.extract import read_vocabulary
from tests.extract.extracts import write_files
from tests.extract.test_interrupted import kill, wait_for
from tests.extract.test_vocabulary import ATHENA, CONCEPT, rows, with_folder

# Reads a vocabulary and says what it has renamed; a line on stdin lets it go on from there.
PROGRAM = """
import sys
from pathlib import Path
from pumasi.config import SitePaths
from pumasi.extract import read_vocabulary
from tests.extract.test_vocabulary import with_folder

folder, home, stop = sys.argv[1:]
rename = Path.rename

def renamed(self, target):
    done = rename(self, target)
    print(f"to {Path(target).name}", flush=True)
    if Path(target).name == stop:
        sys.stdin.readline()
    return done

Path.rename = renamed
print("begins", flush=True)
read_vocabulary(with_folder(Path(folder)), [], SitePaths.of("tiny", Path(home)))
"""


def start(folder: Path, home: Path, stop: str = "nowhere") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(home), stop],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    """A hospital that has a vocabulary."""
    paths = SitePaths.of("tiny", tmp_path / "home")
    read_vocabulary(with_folder(write_files(tmp_path / "old", ATHENA)), [], paths)
    return paths


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The folder of another one, large enough to be interrupted."""
    many = "".join(
        f"{n}\tA name\tDevice\tSNOMED\tPhysical Object\tS\t{n}\t19700101\t20991231\t\n"
        for n in range(10, 40_000)
    )
    return write_files(tmp_path / "new", ATHENA | {"CONCEPT.csv": CONCEPT + many})


def concepts(paths: SitePaths) -> int:
    return len(rows(paths, "concept", "concept_id"))


@pytest.mark.parametrize(("stop", "before"), [("vocabulary-before", None), ("vocabulary", 39_993)])
def test_kill_9_between_two_renames_and_run_again(
    tmp_path: Path, paths: SitePaths, newer: Path, stop: str, before: int | None
) -> None:
    process = start(newer, tmp_path / "home", stop)
    wait_for(process, f"to {stop}\n")
    kill(process)
    assert (concepts(paths) if paths.vocabulary.exists() else None) == before
    # The source is gone: the vocabulary that was there must not be gone with it.
    with pytest.raises(VocabularyError):
        read_vocabulary(with_folder(tmp_path / "nowhere"), [], paths)
    assert concepts(paths) == (before or 3)
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    read_vocabulary(with_folder(newer), [], paths)
    assert concepts(paths) == 39_993


def test_kill_9_at_any_moment_and_run_again(tmp_path: Path, paths: SitePaths, newer: Path) -> None:
    for wait in (0.02, 0.1, 0.25):
        process = start(newer, tmp_path / "home")
        wait_for(process, "begins")
        time.sleep(wait)
        kill(process)
        if paths.vocabulary.exists():
            assert concepts(paths) in (3, 39_993)
    read_vocabulary(with_folder(newer), [], paths)
    assert concepts(paths) == 39_993
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]


@pytest.mark.parametrize("limit", [200, 4_000])
def test_a_full_disk(paths: SitePaths, newer: Path, limit: int) -> None:
    """No file may grow beyond the limit; the kernel refuses as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(VocabularyError) as raised:
            read_vocabulary(with_folder(newer), [], paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(raised.value) == (
        "site tiny: CONCEPT.csv: the disk is full or can't be written; free space and run again. "
        "Nothing of it was taken in; what was read before is intact"
    )
    assert concepts(paths) == 3
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    read_vocabulary(with_folder(newer), [], paths)
    assert concepts(paths) == 39_993
