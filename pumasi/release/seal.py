"""Sealing: a checked candidate becomes a release, open or closed; a broken build a closed one.

A release's folder appears by one rename and is never written again; a seal is one small file beside
it. Killed at any moment, the site has the releases it had, and sealing again finishes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pumasi.config.paths import SitePaths
from pumasi.errors import ReleaseError
from pumasi.quality.outcome import Outcome
from pumasi.release.candidate import ACCOUNTING, Candidate, read_candidate
from pumasi.release.content import table_content
from pumasi.release.files import empty_folder, publish_folder, sha256_of_file, write_json
from pumasi.release.identity import SCHEMA_VERSION, vocabulary_hash
from pumasi.release.records import Manifest, Provenance, Seal, TableEntry, signature
from pumasi.release.release import Release, load_release

LATEST = "latest.json"


def seal(
    paths: SitePaths,
    outcomes: Sequence[Outcome],
    provenance: Provenance,
    *,
    sealed_at: datetime,
    transformation: str,
) -> Release:
    """Seal the candidate with its outcomes and return the release, open or closed.

    `transformation` is `transformation_hash` of the dbt project that made it. Content that was
    sealed before gets one more seal and no second folder. Raises ReleaseError when the candidate is
    another run's than the provenance's (its outcomes would be those of other tables), when two
    outcomes have one name, or when the release can't be written.
    """
    _refuse_twice_named(outcomes)
    with _sealing(paths):
        candidate = _candidate_of(paths, provenance.run_id)
        manifest = _describe(candidate, transformation, vocabulary_hash(paths.vocabulary))
        accounting = _accounting(candidate.folder)
        new = _gather(paths, manifest, candidate.folder)
        # Another run may have put its candidate there meanwhile: then this is a mixture.
        _candidate_of(paths, provenance.run_id)
        _publish(new, paths.releases / manifest.release_id)
        return _set_seal(
            paths,
            manifest,
            sealed_at=sealed_at,
            provenance=provenance,
            accounting=accounting,
            outcomes=tuple(outcomes),
        )


def seal_broken(
    paths: SitePaths,
    step: str,
    error_class: str,
    provenance: Provenance,
    *,
    sealed_at: datetime,
    transformation: str,
    outcomes: Sequence[Outcome] = (),
) -> Release:
    """Seal a closed release without tables for a build that broke at `step`.

    `error_class` is the name of the error's class; its message is not kept, it may quote a row.
    """
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        transformation=transformation,
        vocabulary=_vocabulary_if_any(paths),
        broken_step=step,
        tables={},
    )
    with _sealing(paths):
        new = _gather(paths, manifest, paths.candidate)
        _publish(new, paths.releases / manifest.release_id)
        return _set_seal(
            paths,
            manifest,
            sealed_at=sealed_at,
            provenance=provenance,
            accounting={},
            outcomes=tuple(outcomes),
            error_class=error_class,
        )


def seal_files(paths: SitePaths) -> dict[int, Path]:
    """Return the files of all seals of the site by number, ascending."""
    found = {int(path.stem): path for path in paths.releases.glob("[!.]*/seals/[0-9]*.json")}
    return dict(sorted(found.items()))


def latest_number(paths: SitePaths) -> int:
    """Return the number of the last seal by the site's own note of it; 0 when there is none.

    The seal itself may be gone. Raises ReleaseError when the note can't be read.
    """
    try:
        return int(json.loads((paths.releases / LATEST).read_text(encoding="utf-8"))["number"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        raise ReleaseError(
            f"releases/{LATEST} can't be read: bring it back, or take it away if no release of the "
            "site was ever removed"
        ) from None


def _candidate_of(paths: SitePaths, run_id: str) -> Candidate:
    candidate = read_candidate(paths)
    if candidate.run_id != run_id:
        raise ReleaseError(
            f"the candidate was written by run {candidate.run_id} and checked by run {run_id}: "
            "run the build again, from its candidate step"
        )
    return candidate


@contextmanager
def _sealing(paths: SitePaths) -> Iterator[None]:
    """Let one process seal at a time, and turn what the disk refuses into a ReleaseError.

    The lock is the kernel's and ends with the process that holds it.
    """
    try:
        paths.releases.mkdir(parents=True, exist_ok=True)
        with (paths.releases / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear_away(paths)
            yield
    except OSError as error:
        raise ReleaseError(
            f"the release can't be written ({error.strerror or type(error).__name__}); releases "
            "sealed before are as they were. Make room on the disk, then seal again"
        ) from error


def _clear_away(paths: SitePaths) -> None:
    """Remove what a process left that was killed while it sealed."""
    for folder in paths.releases.glob(".*.new"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in [*paths.releases.glob(f".{LATEST}.*"), *paths.releases.glob("[!.]*/seals/.*")]:
        file.unlink(missing_ok=True)


def _describe(candidate: Candidate, transformation: str, vocabulary: str) -> Manifest:
    with duckdb.connect() as connection:
        tables = {
            name: _entry(connection, candidate.folder / f"{name}.parquet")
            for name in candidate.tables
        }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        transformation=transformation,
        vocabulary=vocabulary,
        broken_step=None,
        tables=tables,
    )


def _entry(connection: duckdb.DuckDBPyConnection, file: Path) -> TableEntry:
    try:
        content = table_content(connection, file)
        return TableEntry(
            rows=content.rows,
            bytes=file.stat().st_size,
            sha256=sha256_of_file(file),
            content=content.hash,
        )
    except (duckdb.Error, OSError):
        raise ReleaseError(
            f"the candidate's table '{file.stem}' can't be read: run the build again, from its "
            "candidate step"
        ) from None


def _accounting(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the accounting tables as rows of JSON values; dates become ISO text."""
    try:
        with duckdb.connect() as connection:
            return {name: _rows(connection, folder / f"{name}.parquet") for name in ACCOUNTING}
    except duckdb.Error:
        raise ReleaseError(
            "the candidate's accounting tables can't be read: run the build again, from its "
            "candidate step"
        ) from None


def _rows(connection: duckdb.DuckDBPyConnection, file: Path) -> list[dict[str, Any]]:
    found = connection.execute("from read_parquet($file) order by all", {"file": str(file)})
    columns = [str(column[0]) for column in found.description or []]
    return [dict(zip(columns, map(_json_value, row), strict=True)) for row in found.fetchall()]


def _json_value(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _gather(paths: SitePaths, manifest: Manifest, source: Path) -> Path:
    """Return a new hidden folder with the manifest and the tables of the release."""
    new = empty_folder(paths.releases / f".{manifest.release_id}.new")
    (new / "seals").mkdir()
    (new / "tables").mkdir()
    for name in manifest.tables:
        _take(source, new / "tables", f"{name}.parquet")
    write_json(new / "manifest.json", manifest.to_dict())
    return new


def _publish(new: Path, target: Path) -> None:
    """Make `new` the release's folder, unless the same content was sealed before."""
    if target.exists():
        _refuse_damaged(target)
        shutil.rmtree(new)
    else:
        publish_folder(new, target)


def _take(source: Path, target: Path, name: str) -> None:
    """Give the release the candidate's file: as a second name of it where the disk allows that.

    Nothing writes to a candidate's file; the next candidate is a new folder of new files.
    """
    try:
        os.link(source / name, target / name)
    except OSError:
        shutil.copyfile(source / name, target / name)


def _refuse_damaged(folder: Path) -> None:
    """Raise ReleaseError unless the files of a release of the same content are still whole."""
    manifest = Manifest.from_dict(json.loads((folder / "manifest.json").read_text("utf-8")))
    for name, entry in manifest.tables.items():
        file = folder / "tables" / f"{name}.parquet"
        if not file.is_file() or sha256_of_file(file) != entry.sha256:
            raise ReleaseError(
                f"the same content was sealed before as release {folder.name}, and its table "
                f"'{name}' is damaged: move that folder away, then seal again"
            )


def _set_seal(
    paths: SitePaths,
    manifest: Manifest,
    *,
    sealed_at: datetime,
    provenance: Provenance,
    accounting: dict[str, list[dict[str, Any]]],
    outcomes: tuple[Outcome, ...],
    error_class: str | None = None,
) -> Release:
    if sealed_at.tzinfo is None:
        raise ReleaseError("sealed_at needs a time zone: pass an aware datetime")
    folder = paths.releases / manifest.release_id
    number = max([latest_number(paths), *seal_files(paths)]) + 1
    record = Seal(
        number=number,
        release_id=manifest.release_id,
        sealed_at=sealed_at,
        provenance=provenance,
        accounting=accounting,
        outcomes=outcomes,
        broken_step=manifest.broken_step,
        error_class=error_class,
        manifest_sha256=hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest(),
    ).to_dict()
    key = paths.key.read_bytes() if paths.key.is_file() else None
    signed = {"seal": record, "hmac": signature(record, key) if key is not None else None}
    file = folder / "seals" / f"{number:06d}.json"
    write_json(file, signed)
    write_json(paths.releases / LATEST, {"number": number, "release_id": manifest.release_id})
    return load_release(paths, file)


def _refuse_twice_named(outcomes: Sequence[Outcome]) -> None:
    twice = sorted(name for name, n in Counter(o.name for o in outcomes).items() if n > 1)
    if twice:
        raise ReleaseError(f"two outcomes have one name: {', '.join(twice)}; rename a check")


def _vocabulary_if_any(paths: SitePaths) -> str:
    try:
        return vocabulary_hash(paths.vocabulary)
    except ReleaseError:
        return ""
