"""A sealed release as it lies on disk, and the reading of its tables.

Loading verifies the manifest against the seal and the seal against the hospital's key; a table's
file is verified against the manifest when it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pumasi.config.paths import SitePaths
from pumasi.config.waivers import Waiver
from pumasi.errors import ReleaseError
from pumasi.quality.gate import Purpose, Verdict, ask
from pumasi.quality.outcome import Outcome
from pumasi.quality.waivers import WaiverUse
from pumasi.release.files import sha256_of_file
from pumasi.release.records import Manifest, Seal, signature_problem

# Beside the manifest of a release that lost its tables to a withdrawal.
PURGED = "purged.json"
_REMEDY = "Don't use it; move its folder away and build again"
_PURGED_REASON = (
    "its tables were taken away, because they held a person who withdrew since; build again"
)


@dataclass(frozen=True)
class Release:
    """One sealed release. `folder` holds manifest.json, seals and tables.

    `waived` are the waivers without which it would not have been opened; empty until it was.
    """

    folder: Path
    manifest: Manifest
    seal: Seal
    waived: tuple[WaiverUse, ...] = ()

    @property
    def id(self) -> str:
        """The release id."""
        return self.seal.release_id

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that were sealed with this build."""
        return self.seal.outcomes

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables, sorted."""
        return tuple(sorted(self.manifest.tables))

    def reasons_closed(self, purpose: Purpose | None = None) -> list[str]:
        """Return why the gate is closed without a waiver; an empty list means open."""
        return list(self.ask(purpose, (), date.min).reasons)

    def ask(self, purpose: Purpose | None, waivers: Sequence[Waiver], day: date) -> Verdict:
        """Ask the gate as `pumasi.quality.ask` does; a purged release is closed besides."""
        verdict = ask(self.outcomes, self.seal.broken_step, purpose, waivers, day)
        if not self.is_purged:
            return verdict
        return replace(verdict, reasons=(*verdict.reasons, _PURGED_REASON))

    @property
    def is_purged(self) -> bool:
        """Whether its tables were taken away, because they held a person who withdrew."""
        return (self.folder / PURGED).exists()

    def table(self, name: str) -> Path:
        """Return the parquet file of a table after verifying its bytes.

        Raises ReleaseError when the release has no such table, or its file is not what was sealed.
        """
        entry = self.manifest.tables.get(name)
        if entry is None:
            known = ", ".join(self.tables) or "none"
            raise ReleaseError(f"release {self.id} has no table '{name}'; it has: {known}")
        if self.is_purged:
            raise ReleaseError(f"release {self.id}: {_PURGED_REASON}")
        path = self.folder / "tables" / f"{name}.parquet"
        if not path.is_file():
            raise ReleaseError(f"release {self.id}: the file of table '{name}' is gone. {_REMEDY}")
        if path.stat().st_size != entry.bytes or sha256_of_file(path) != entry.sha256:
            raise ReleaseError(
                f"release {self.id}: table '{name}' is not what was sealed. {_REMEDY}"
            )
        return path

    def read(self, name: str, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return a table, verified as by `table`, as a relation of the connection."""
        return connection.read_parquet(str(self.table(name)))

    def characterisation(self) -> Path | None:
        """Return the file of what the build's tables hold; None if there is none, or it was purged.

        Raises ReleaseError when the file is not what was sealed.
        """
        sealed = self.seal.characterisation_sha256
        if sealed is None or self.is_purged:
            return None
        path = characterisation_file(self.folder, self.seal.number)
        if not path.is_file() or sha256_of_file(path) != sealed:
            raise ReleaseError(
                f"release {self.id}, seal {self.seal.number}: {path.name} is not what was sealed. "
                f"{_REMEDY}"
            )
        return path


def characterisation_file(release: Path, number: int) -> Path:
    """Where the characterisation lies that belongs to a seal of the release's folder."""
    return release / "seals" / f"{number:06d}.characterisation.parquet"


def load_release(paths: SitePaths, seal_file: Path) -> Release:
    """Return the release that the seal file belongs to.

    Raises ReleaseError when the seal, the manifest or the key don't fit each other.
    """
    folder = seal_file.parent.parent
    where = f"release {folder.name}, seal {seal_file.stem}"
    signed = _json(seal_file, where)
    _verify_signature(signed, paths, where)
    seal = _parse_seal(signed, where)
    manifest_file = folder / "manifest.json"
    if not manifest_file.is_file():
        raise ReleaseError(f"{where}: manifest.json is gone. {_REMEDY}")
    if hashlib.sha256(manifest_file.read_bytes()).hexdigest() != seal.manifest_sha256:
        raise ReleaseError(f"{where}: manifest.json is not what was sealed. {_REMEDY}")
    manifest = Manifest.from_dict(_json(manifest_file, where))
    if not folder.name == seal.release_id == manifest.release_id:
        raise ReleaseError(f"{where}: folder, seal and manifest name different ids. {_REMEDY}")
    if seal.number != int(seal_file.stem):
        raise ReleaseError(f"{where}: the seal's number is {seal.number}. {_REMEDY}")
    return Release(folder=folder, manifest=manifest, seal=seal)


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise ReleaseError(f"{where}: {path.name} can't be read. {_REMEDY}")
    return value


def _parse_seal(signed: dict[str, Any], where: str) -> Seal:
    try:
        return Seal.from_dict(signed["seal"])
    except (KeyError, TypeError, ValueError):
        raise ReleaseError(f"{where}: the seal is not of a known form. {_REMEDY}") from None


def _verify_signature(signed: dict[str, Any], paths: SitePaths, where: str) -> None:
    """Check the seal with the hospital's key. A hospital with a key takes no unsigned seal."""
    problem = signature_problem(signed.get("seal", {}), signed.get("hmac"), paths.key)
    if problem:
        raise ReleaseError(f"{where}: the seal is {problem}. {_REMEDY}")
