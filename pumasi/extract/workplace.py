"""Where files with identifiers are worked on: one process at a time, with limits, and discreetly.

What a killed process left below `reading/` is removed by the next one, so two must never be there
together. DuckDB's own messages quote the data; none of them leaves this room.
"""

import errno
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError

Progress = Callable[[str], None]
MEMORY_LIMIT = "3GB"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# DuckDB's exceptions carry no error number; these kinds quote no data.
STORAGE_ERRORS = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException)
NO_SPACE_WORDS = ("no space", "file too large", "quota", "could not write", "disk")


@contextmanager
def alone(paths: SitePaths, progress: Progress = lambda message: None) -> Iterator[None]:
    """Wait until no other process works below `paths.reading`, and keep others out.

    The lock is the kernel's and goes with the process, however it ends.
    """
    paths.reading.mkdir(parents=True, exist_ok=True)
    with (paths.reading / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process reads a delivery of this hospital; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def connection(
    spill: Path, memory_limit: str = MEMORY_LIMIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory that spills to `spill`; the machine's time zone changes no result."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }
    with duckdb.connect(config=settings) as opened:
        # DuckDB draws it on standard output where it takes the session for interactive.
        opened.execute("set enable_progress_bar = false")
        yield opened


@contextmanager
def no_row_values(place: str) -> Iterator[None]:
    """Turn DuckDB's and the system's errors into one that names the place and the remedy.

    Raises:
        DeliveryError: in place of `duckdb.Error` and `OSError`; other errors pass.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise DeliveryError(
            f"{place}: {_cause(error)}. Nothing of it was taken in; what was read before is intact"
        ) from None


def _cause(error: Exception) -> str:
    if isinstance(error, OSError):
        full = error.errno in NO_SPACE
    else:
        said = str(error).lower() if isinstance(error, STORAGE_ERRORS) else ""
        full = any(word in said for word in NO_SPACE_WORDS)
    if full:
        return "the disk is full or can't be written; free space and run again"
    if isinstance(error, OSError):
        return (
            f"a file can't be opened, read or written ({type(error).__name__}); does it still "
            "exist, and may this user? Then run again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return "out of memory; give it more or free space for its temporary files"
    return f"DuckDB refuses it ({type(error).__name__}); export it again"
