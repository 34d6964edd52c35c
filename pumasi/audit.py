"""A hospital's audit log: one JSON object a line, only ever added to, on the disk before it counts.

Nothing here keeps somebody who may write the file from changing it: its lines are not chained.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime

from pumasi.atomic import sync_folder
from pumasi.config.paths import SitePaths
from pumasi.errors import AuditError


def append(paths: SitePaths, at: datetime, event: str, said: dict[str, str | int | float]) -> None:
    """Add one line: the time in UTC, the event, and what is said of it.

    Raises AuditError when the line can't be written: what it tells of must then not be done.
    """
    entry = {"time": at.astimezone(UTC).isoformat(), "event": event, **said}
    line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(paths.audit_log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            text = line if _ends_a_line(descriptor) else b"\n" + line
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


def _ends_a_line(descriptor: int) -> bool:
    """Whether the log is empty or whole: a line that the disk cut off must not take in the next."""
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
