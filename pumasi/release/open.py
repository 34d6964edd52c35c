"""Opening a release: always the latest one, through the gate, never an older one in its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from pumasi import audit
from pumasi.config.network import load_waivers
from pumasi.config.paths import SitePaths
from pumasi.errors import ClosedForPurposeError, GateClosedError, ReleaseError
from pumasi.extract.tombstones import require_purged
from pumasi.quality.gate import Purpose, Verdict
from pumasi.release.content import table_content
from pumasi.release.release import Release, load_release
from pumasi.release.seal import LATEST, latest_number, seal_files


def latest_release(paths: SitePaths) -> Release | None:
    """Return the release that was sealed last, open or closed; None when nothing was ever sealed.

    Raises ReleaseError when it is not what was sealed, or when it is gone: an older one must not
    take its place.
    """
    files = seal_files(paths)
    noted = latest_number(paths)
    if not files and noted is None:
        return None
    newest = max(files, default=0)
    if noted is None:
        raise ReleaseError(
            f"site {paths.root.name} is closed: the note of its latest release, releases/{LATEST}, "
            "is gone, as after a build that broke on a full disk; build again"
        )
    if noted > newest:
        raise ReleaseError(
            f"seal {noted}, the latest of site {paths.root.name}, is gone and an older release "
            "doesn't take its place: bring its folder back, or build again"
        )
    return load_release(paths, files[newest])


def last_characterised(paths: SitePaths) -> Release | None:
    """Return the last sealed release that has its tables and what they hold; None without one.

    It is what a new build is compared with, open or closed. One that is damaged is passed over: it
    says nothing that can be relied on, and `pumasi release list` names it.
    """
    for file in reversed(seal_files(paths).values()):
        try:
            release = load_release(paths, file)
            if release.characterisation() is not None:
                return release
        except ReleaseError:
            continue
    return None


def ask_gate(
    site_id: str,
    release: Release,
    purpose: Purpose | None,
    at: datetime,
    network: Path | None = None,
) -> Verdict:
    """Ask the gate of a release with the site's waivers, as they are written now, at that time.

    Nothing is opened and nothing is written to the audit log. Raises ConfigError when the file of
    waivers is wrong, or one names no check of the release.
    """
    granted = load_waivers(site_id, network)
    return release.ask(purpose, granted.waivers, granted.day(at))


def open_release(
    site_id: str,
    purpose: Purpose,
    at: datetime,
    home: Path | None = None,
    network: Path | None = None,
) -> Release:
    """Return the latest release of the site if the gate is open for the purpose at that time.

    `at` is an aware datetime; what was sealed only after it is not open at it. The waivers are
    those of the site's file in the network folder (default: PUMASI_NETWORK). Each that opens it
    stands in `waived` of what is returned, and in the audit log before it is returned.

    Raises GateClosedError with every reason (ClosedForPurposeError when it is only the purpose that
    lacks something), ReleaseError when the latest release is damaged, ConfigError when the waivers
    are wrong, AuditError when the use of one can't be written down, and WithdrawalError while a
    withdrawal has not ended.
    """
    paths = SitePaths.of(site_id, home)
    require_purged(paths)
    release = latest_release(paths)
    if release is None:
        raise GateClosedError(
            f"site {site_id} is closed for {purpose.name}: no release has been sealed; build one"
        )
    verdict = ask_gate(site_id, release, purpose, at, network)
    general = _general_reasons(site_id, release, at, network)
    reasons = [*verdict.reasons, *(each for each in general if each not in verdict.reasons)]
    if reasons:
        listed = "".join(f"\n- {reason}" for reason in reasons)
        raise (GateClosedError if general else ClosedForPurposeError)(
            f"site {site_id} is closed for {purpose.name}; release {release.id} (seal "
            f"{release.seal.number}) is the latest and no older one takes its place:{listed}"
        )
    _write_down(paths, release, purpose, verdict, at)
    return replace(release, waived=verdict.waived)


def _general_reasons(
    site_id: str, release: Release, at: datetime, network: Path | None
) -> list[str]:
    """Why the release is closed at that time whatever it is opened for."""
    reasons = [*ask_gate(site_id, release, None, at, network).reasons]
    if release.seal.sealed_at > at:
        reasons.append(f"it was sealed at {release.seal.sealed_at}, after the time asked for, {at}")
    return reasons


def _write_down(
    paths: SitePaths, release: Release, purpose: Purpose, verdict: Verdict, at: datetime
) -> None:
    for use in verdict.waived:
        said = {
            **use.granted(),
            "share": use.share,
            "purpose": purpose.name,
            "release": release.id,
            "seal": release.seal.number,
        }
        audit.append(paths, at, "waiver used", said)


def verify_release(paths: SitePaths, release_id: str) -> Release:
    """Verify every seal, the manifest, every file and its rows; return it with its last seal.

    A release that lost its tables to a withdrawal has none to verify. Raises ReleaseError that
    lists everything found wrong.
    """
    folder = paths.releases / release_id
    files = [path for path in seal_files(paths).values() if path.parent.parent == folder]
    if not files:
        raise ReleaseError(f"site {paths.root.name} has no sealed release '{release_id}'")
    problems: list[str] = []
    releases = [found for path in files if (found := _loaded(paths, path, problems))]
    if releases:
        problems += _problems_of_files(releases[-1])
    if problems:
        raise ReleaseError("\n".join(problems))
    return releases[-1]


def _loaded(paths: SitePaths, seal_file: Path, problems: list[str]) -> Release | None:
    try:
        return load_release(paths, seal_file)
    except ReleaseError as error:
        problems.append(str(error))
        return None


def _problems_of_files(release: Release) -> list[str]:
    problems = []
    found = {path.name for path in (release.folder / "tables").glob("*")}
    if release.is_purged:
        return [f"release {release.id}: was purged and still has tables"] if found else []
    try:
        release.characterisation()
    except ReleaseError as error:
        problems.append(str(error))
    with duckdb.connect() as connection:
        for name, entry in release.manifest.tables.items():
            try:
                if table_content(connection, release.table(name)).hash != entry.content:
                    problems.append(f"release {release.id}: table '{name}' has other rows")
            except ReleaseError as error:
                problems.append(str(error))
    expected = {f"{name}.parquet" for name in release.tables}
    strangers = sorted(found - expected)
    if strangers:
        problems.append(f"release {release.id}: not sealed with it: {', '.join(strangers)}")
    return problems
