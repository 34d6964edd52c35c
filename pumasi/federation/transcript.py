"""The record of a run at the hub: every request and reply as it travelled, for audits.

Replies of masked sums hold uniform words, replies of `each` what a hospital answered: how long they
may be kept is what the approvals say.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from pumasi.atomic import write_bytes
from pumasi.errors import FederationError
from pumasi.federation.network import Transport


@dataclass
class Recorded:
    """A transport of which everything is written down below `folder`, exchange by exchange.

    What was written before is not asked again: a run that was killed goes on where it was.
    """

    transport: Transport
    folder: Path

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who is reached, sorted."""
        return self.transport.hospitals

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        """As `Transport.carry`."""
        place = _place(self.folder, message)
        if not place.exists():
            replies = self.transport.carry(message)
            _write(place, message, replies)
        return _read(place)


@dataclass(frozen=True)
class Replayed:
    """A run as it was recorded below `folder`; nobody is asked."""

    folder: Path

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who was asked, sorted."""
        found = {file.stem for file in self.folder.glob("*/*.reply")}
        return tuple(sorted(found))

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        """The replies that came to this message.

        Raises:
            FederationError: it was not asked in the run.
        """
        place = _place(self.folder, message)
        if not place.exists():
            raise FederationError(
                f"{self.folder.name}: this exchange is not in the record: another model, release "
                "of the library or order of exchanges"
            )
        return _read(place)


def forget(transcripts: Path, before: datetime, run: str | None = None) -> list[str]:
    """Remove the records of runs that ended before then, or of one run; return which.

    Args:
        transcripts: folder with a folder a run.
        before: aware; a run ended when its last reply was written.
        run: only this one.

    Raises:
        FederationError: there is no record of the run.
    """
    runs = sorted(place for place in transcripts.glob("*") if place.is_dir())
    if run is not None:
        runs = [place for place in runs if place.name == run]
        if not runs:
            raise FederationError(f"there is no record of run {run}")
    old = [place for place in runs if _ended(place) < before.timestamp()]
    for place in old:
        shutil.rmtree(place)
    return [place.name for place in old]


def _ended(place: Path) -> float:
    return max((file.stat().st_mtime for file in place.rglob("*")), default=0.0)


def _place(folder: Path, message: bytes) -> Path:
    return folder / sha256(message).hexdigest()


def _write(place: Path, message: bytes, replies: Mapping[str, bytes]) -> None:
    made = place.with_name(f".{place.name}")
    made.mkdir(parents=True, exist_ok=True)
    write_bytes(made / "request", message)
    for name, reply in replies.items():
        write_bytes(made / f"{name}.reply", reply)
    made.rename(place)


def _read(place: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in sorted(place.glob("*.reply"))}
