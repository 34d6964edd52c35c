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
from pumasi.extract.tombstones import require_purged
from pumasi.quality.characterisation import FILE as CHARACTERISATION
from pumasi.quality.outcome import Outcome
from pumasi.release.candidate import ACCOUNTING, Candidate, read_candidate
from pumasi.release.content import table_content
from pumasi.release.files import empty_folder, publish_folder, sha256_of_file, write_json
from pumasi.release.identity import SCHEMA_VERSION, vocabulary_hash
from pumasi.release.records import (
    Manifest,
    Provenance,
    Seal,
    TableEntry,
    signature,
    signature_problem,
)
from pumasi.release.release import Release, characterisation_file, load_release

LATEST = "latest.json"
_NOTE_REMEDY = "bring it back, or take it away and build again"


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
    another run's than the provenance's (its outcomes would be those of other tables), was sealed
    before, or changed since it was written; when two outcomes have one name, or when the release
    can't be written.
    """
    _refuse_twice_named(outcomes)
    require_purged(paths)
    with sealing(paths):
        candidate = _candidate_of(paths, provenance.run_id)
        finished = _finished(paths, candidate)
        if finished:
            return finished
        manifest = _describe(candidate, transformation, vocabulary_hash(paths.vocabulary))
        accounting = _accounting(candidate.folder)
        new = _gather(paths, manifest, candidate.folder)
        # Another run may have put its candidate there meanwhile: then this is a mixture.
        _candidate_of(paths, provenance.run_id)
        _publish(paths, new, paths.releases / manifest.release_id)
        return _set_seal(
            paths,
            manifest,
            sealed_at=sealed_at,
            provenance=provenance,
            accounting=accounting,
            outcomes=tuple(outcomes),
            candidate=candidate,
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
    The candidate is taken away: it is of an earlier build, or of this one that broke.
    """
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        transformation=transformation,
        vocabulary=_vocabulary_if_any(paths),
        broken_step=step,
        tables={},
    )
    with sealing(paths):
        new = _gather(paths, manifest, paths.candidate)
        _publish(paths, new, paths.releases / manifest.release_id)
        shutil.rmtree(paths.candidate, ignore_errors=True)
        return _set_seal(
            paths,
            manifest,
            sealed_at=sealed_at,
            provenance=provenance,
            accounting={},
            outcomes=tuple(outcomes),
            error_class=error_class,
        )


def close_unsealed(paths: SitePaths) -> None:
    """Close the site where no file can be written, as on a full disk: take away the note.

    Without it nothing is opened; the next sealing writes it anew.
    """
    (paths.releases / LATEST).unlink(missing_ok=True)
    shutil.rmtree(paths.candidate, ignore_errors=True)


def seal_files(paths: SitePaths) -> dict[int, Path]:
    """Return the files of all seals of the site by number, ascending."""
    found = {int(path.stem): path for path in paths.releases.glob("[!.]*/seals/[0-9]*.json")}
    return dict(sorted(found.items()))


def latest_number(paths: SitePaths) -> int | None:
    """Return the number of the last seal by the site's own note of it; None when there is no note.

    The seal itself may be gone. Raises ReleaseError when the note can't be read, or is not signed
    with the site's key.
    """
    try:
        signed = json.loads((paths.releases / LATEST).read_text(encoding="utf-8"))
        number = int(signed["latest"]["number"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise ReleaseError(f"releases/{LATEST} can't be read: {_NOTE_REMEDY}") from None
    problem = signature_problem(signed["latest"], signed.get("hmac"), paths.key)
    if problem:
        raise ReleaseError(f"releases/{LATEST} is {problem}. To mend it, {_NOTE_REMEDY}")
    return number


def _write_note(paths: SitePaths, number: int, release_id: str) -> None:
    latest = {"number": number, "release_id": release_id}
    write_json(paths.releases / LATEST, {"latest": latest, "hmac": signature(latest, paths.key)})


def _candidate_of(paths: SitePaths, run_id: str) -> Candidate:
    candidate = read_candidate(paths)
    if candidate.run_id != run_id:
        raise ReleaseError(
            f"the candidate was written by run {candidate.run_id} and checked by run {run_id}: "
            "run the build again, from its candidate step"
        )
    return candidate


def _finished(paths: SitePaths, candidate: Candidate) -> Release | None:
    """Return the release of a candidate whose sealing was killed before the note; else None.

    Raises ReleaseError when the candidate was sealed and noted: there may have been builds since.
    """
    files = seal_files(paths)
    number = next((n for n, file in files.items() if _candidate_in(file) == candidate.id), None)
    if number is None:
        return None
    if number < max(files) or number == latest_number(paths):
        raise ReleaseError(
            f"the candidate of run {candidate.run_id} was sealed before, as seal {number}: run the "
            "build again, from its candidate step"
        )
    release = load_release(paths, files[number])
    _write_note(paths, number, release.id)
    return release


def _candidate_in(seal_file: Path) -> str | None:
    try:
        found = json.loads(seal_file.read_text(encoding="utf-8"))["seal"]["candidate"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if found is None else str(found)


@contextmanager
def sealing(paths: SitePaths) -> Iterator[None]:
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
            name: _entry(connection, candidate.folder / f"{name}.parquet", sha256)
            for name, sha256 in candidate.tables.items()
        }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        transformation=transformation,
        vocabulary=vocabulary,
        broken_step=None,
        tables=tables,
    )


def _entry(connection: duckdb.DuckDBPyConnection, file: Path, sha256: str) -> TableEntry:
    """Describe the file, which must be the one that was checked."""
    try:
        if sha256_of_file(file) != sha256:
            raise ReleaseError(
                f"the candidate's table '{file.stem}' is not the one that was checked: run the "
                "build again, from its candidate step"
            )
        content = table_content(connection, file)
        return TableEntry(
            rows=content.rows,
            bytes=file.stat().st_size,
            sha256=sha256,
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


def _publish(paths: SitePaths, new: Path, target: Path) -> None:
    """Make `new` the release's folder, unless the same content was sealed before and is whole.

    A folder without a seal was left by a process that was killed before it set one.
    """
    seals = sorted((target / "seals").glob("[0-9]*.json"))
    if seals:
        _refuse_damaged(paths, seals[-1])
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


def _take_characterisation(candidate: Candidate | None, release: Path, number: int) -> str | None:
    """Put the candidate's characterisation beside the seal and return its hash; None without one.

    It is no part of the release: the same tables may be characterised anew by a later version.
    """
    if candidate is None or not (candidate.folder / CHARACTERISATION).is_file():
        return None
    target = characterisation_file(release, number)
    target.unlink(missing_ok=True)  # of a process that was killed before it set the seal
    shutil.copyfile(candidate.folder / CHARACTERISATION, target)
    return sha256_of_file(target)


def _refuse_damaged(paths: SitePaths, seal_file: Path) -> None:
    """Raise ReleaseError unless manifest and tables are what was sealed before.

    A new seal would make valid what somebody changed since.
    """
    try:
        release = load_release(paths, seal_file)
        for name in release.tables:
            release.table(name)
    except ReleaseError as error:
        raise ReleaseError(
            f"the same content was sealed before, and what lies there is damaged: {error}"
        ) from None


def _set_seal(
    paths: SitePaths,
    manifest: Manifest,
    *,
    sealed_at: datetime,
    provenance: Provenance,
    accounting: dict[str, list[dict[str, Any]]],
    outcomes: tuple[Outcome, ...],
    candidate: Candidate | None = None,
    error_class: str | None = None,
) -> Release:
    if sealed_at.tzinfo is None:
        raise ReleaseError("sealed_at needs a time zone: pass an aware datetime")
    folder = paths.releases / manifest.release_id
    number = max([latest_number(paths) or 0, *seal_files(paths)]) + 1
    record = Seal(
        number=number,
        release_id=manifest.release_id,
        sealed_at=sealed_at,
        provenance=provenance,
        accounting=accounting,
        outcomes=outcomes,
        broken_step=manifest.broken_step,
        error_class=error_class,
        candidate=None if candidate is None else candidate.id,
        characterisation_sha256=_take_characterisation(candidate, folder, number),
        manifest_sha256=hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest(),
    ).to_dict()
    file = folder / "seals" / f"{number:06d}.json"
    write_json(file, {"seal": record, "hmac": signature(record, paths.key)})
    _write_note(paths, number, manifest.release_id)
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
