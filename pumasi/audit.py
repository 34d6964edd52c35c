"""A hospital's audit log: one JSON object a line, only ever added to, each bound to the one before.

A line holds its number and the hash of the line before it, and is on the disk before what it tells
of is done. Who may write the file can rewrite it from the start: what finds that, and a tail that
was cut off, is an anchor kept elsewhere, as the hub keeps the head that came with every answer.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from pumasi.atomic import sync_folder
from pumasi.config.paths import SitePaths
from pumasi.errors import AuditError

Said = Mapping[str, str | int | float | list[str]]
# What the first line has in the place of a hash.
BEGINNING = "0" * 64
# Bytes at the end of a log that hold its last whole line for sure.
_BLOCK = 1 << 17


@dataclass(frozen=True)
class Head:
    """The end of a log: the number of its last line, and the hash of that line in hexadecimal."""

    number: int
    hash: str

    def __str__(self) -> str:
        # One length, whatever the number: a reply has the size of every other.
        return f"{self.number:012}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `str` wrote.

        Raises:
            AuditError: it is none.
        """
        number, _, digest = text.strip().partition(":")
        if not number.isdigit() or len(digest) != len(BEGINNING):
            raise AuditError("an anchor is the number of a line and its hash: 17:9f2c…")
        return cls(int(number), digest)


def append(paths: SitePaths, at: datetime, event: str, said: Said) -> Head:
    """Add one line: the time in UTC, the event, and what is said of it. Return the new head.

    Raises AuditError when the line can't be written: what it tells of must then not be done.
    """
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(paths.audit_log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            lines, whole = _lines_at_end(descriptor)
            number, previous = _following(lines)
            entry = {
                "number": number,
                "previous": previous,
                "time": at.astimezone(UTC).isoformat(),
                "event": event,
                **said,
            }
            line = json.dumps(entry, ensure_ascii=False).encode()
            # A line that the disk cut off must not take in the next.
            text = (b"" if whole else b"\n") + line + b"\n"
            if log.write(text) != len(text):
                raise OSError("written in part")
            os.fsync(descriptor)
        sync_folder(paths.root)
    except OSError as error:
        raise AuditError(
            f"site {paths.root.name}: {paths.audit_log.name} can't be written "
            f"({type(error).__name__}), and what is not written down is not done. Make room on the "
            "disk, or give this user the file"
        ) from None
    return Head(number, sha256(line).hexdigest())


def _lines_at_end(descriptor: int) -> tuple[list[bytes], bool]:
    """The last lines without their ends, and whether the log is empty or ends with a whole one."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _BLOCK)
    tail = os.pread(descriptor, size - start, start)
    return [line for line in tail.split(b"\n") if line], size == 0 or tail.endswith(b"\n")


def _following(lines: list[bytes]) -> tuple[int, str]:
    """Number and `previous` of the line after these.

    What was cut off while it was written has no number, but what follows says that it was there.
    """
    numbers = [entry["number"] for entry in map(_entry, lines) if entry]
    return max(numbers, default=0) + 1, sha256(lines[-1]).hexdigest() if lines else BEGINNING


@dataclass(frozen=True)
class Verified:
    """What a log shows: its head, how many lines, and whether anchors were there to hold it to."""

    head: Head | None
    lines: int
    anchors: int


def verify(log: Path, anchors: Iterable[Head] = ()) -> Verified:
    """Read the log from its beginning and hold it to the anchors.

    Raises:
        AuditError: a line was changed, left out or put elsewhere; or an anchor's line is not there
            or another one: the tail was cut off, or the log written anew. The line is numbered.
    """
    text = log.read_bytes() if log.exists() else b""
    hashes: dict[int, str] = {}
    previous, before = BEGINNING, 0
    lines = [line for line in text.split(b"\n") if line]
    for place, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is not None and (entry["previous"], entry["number"]) != (previous, before + 1):
            raise AuditError(
                f"{log.name}: line {place} does not follow from the line before it: one of the "
                "two was changed, left out or put elsewhere"
            )
        if entry is not None:
            before = int(entry["number"])
            hashes[before] = sha256(line).hexdigest()
        previous = sha256(line).hexdigest()
    found = list(anchors)
    for anchor in found:
        if anchor.number not in hashes:
            raise AuditError(
                f"{log.name}: line {anchor.number} was there and is not: the end was cut off"
            )
        if hashes[anchor.number] != anchor.hash:
            raise AuditError(
                f"{log.name}: line {anchor.number} is not the one of the anchor: the log was "
                "written anew"
            )
    head = Head(before, hashes[before]) if before else None
    return Verified(head, len(lines), len(found))


def _entry(line: bytes) -> dict[str, Any] | None:
    """The line as it was written; None of one that was cut off, or is none of a log."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and {"number", "previous"} <= entry.keys() else None


def entries(log: Path) -> list[dict[str, Any]]:
    """The lines of the log, oldest first; what was cut off while it was written is left out."""
    lines = log.read_bytes().split(b"\n") if log.exists() else []
    return [entry for entry in map(_entry, lines) if entry is not None]
