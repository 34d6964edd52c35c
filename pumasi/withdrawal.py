"""Withdrawal: a person who takes back the permission leaves everything that a hospital holds.

The tombstone comes first, and is all that stays. Then raw data, quarantine, warehouse, candidate
and releases are purged of everybody who has one. Every step follows from what lies there, so a
withdrawal that was killed is ended by running it again; until then nothing is built or opened.
The extract at the source is not ours: whoever keeps it takes the person out of it, or leaves it,
and the tombstone keeps the person out of what is read of it.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import WithdrawalError
from pumasi.extract.connectors.landing import discard
from pumasi.extract.contract import Kind
from pumasi.extract.formats import FORMATS
from pumasi.extract.projection import source_text
from pumasi.extract.pseudonym import load_or_create_key, register
from pumasi.extract.purge import held_in_raw, purge_raw
from pumasi.extract.tombstones import Tombstone, load_tombstones, save_tombstones
from pumasi.extract.workplace import Progress, alone, connection
from pumasi.incremental import remove_delta
from pumasi.release.purge import models_of, purge_releases, releases_holding
from pumasi.warehouse import hold_warehouse


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal takes away: persons asked for and not withdrawn before, and what held them.

    `rows` and `quarantined` count rows of raw tables and entries of the quarantine.
    """

    persons: int
    new_persons: int
    rows: int
    quarantined: int
    releases: tuple[str, ...]
    models: tuple[Path, ...]


def withdraw(
    config: SiteConfig,
    identifiers: Sequence[str],
    paths: SitePaths,
    at: datetime,
    *,
    dry_run: bool = False,
    progress: Progress = lambda message: None,
) -> Withdrawal:
    """Withdraw the persons with these identifiers of the hospital; `at` is an aware datetime.

    Without identifiers a withdrawal that did not end is ended. Who is not known here yet gets a
    tombstone all the same, and will not be taken in. `dry_run` changes nothing.

    Raises:
        WithdrawalError: a line has no identifier, or the tombstones can't be read.
        DeliveryError: a connector is fetching; run it again when that has ended.
    """
    with alone(paths, progress):
        asked = _keyed_hashes(config, identifiers, paths, create=not dry_run)
        before = {each.person_id: each for each in load_tombstones(paths)}
        new = {each: Tombstone(each, at.date()) for each in asked if each not in before}
        everybody = new | before
        if dry_run:
            held = held_in_raw(paths, everybody)
            releases = releases_holding(paths, everybody)
        else:
            # Who asks again wants to be sure: all are looked for anew, everywhere.
            open_again = [replace(each, is_purged=False) for each in everybody.values()]
            save_tombstones(paths, open_again)
            held = purge_raw(paths, everybody, progress)
            discard(config, paths)
            _drop_warehouse(paths, progress)
            _drop_keys_of_checks(paths)
            releases = purge_releases(paths, everybody, at)
            save_tombstones(paths, [replace(each, is_purged=True) for each in open_again])
    return Withdrawal(
        persons=len(asked),
        new_persons=len(new),
        rows=sum(sum(each.rows.values()) for each in held),
        quarantined=sum(each.quarantined for each in held),
        releases=tuple(releases),
        models=tuple(models_of(paths, releases)),
    )


def _keyed_hashes(
    config: SiteConfig, identifiers: Sequence[str], paths: SitePaths, *, create: bool
) -> frozenset[int]:
    """The keyed hashes that reading gives to these identifiers, each once."""
    if not identifiers:
        return frozenset()
    no_delivery = not any(paths.raw.glob("*/delivery.parquet"))
    if not create and no_delivery and not paths.key.exists():
        return frozenset(range(len(set(identifiers))))
    key = load_or_create_key(paths.key, create=no_delivery)
    person = next(table for table in FORMATS[config.format].tables if table.required).columns[0]
    if person.kind is not Kind.PERSON:
        raise WithdrawalError(f"format {config.format} has no identifier of a person")
    with connection(paths.reading / "spill") as opened:
        register(opened, key)
        rows = opened.execute(
            f"select pseudonym('{person.domain}', {source_text(person, 'identifier')}) "
            "from (select unnest($1::varchar[]) as identifier)",
            [list(identifiers)],
        ).fetchall()
    unread = [number for number, (hashed,) in enumerate(rows, start=1) if hashed is None]
    if unread:
        raise WithdrawalError(
            f"line {unread[0]} holds no identifier of a person; give one identifier a line. "
            "Nothing was withdrawn"
        )
    return frozenset(hashed for (hashed,) in rows)


def _drop_warehouse(paths: SitePaths, progress: Progress) -> None:
    """Delete the warehouse while no other process has it: the next build makes it of the raw data.

    Deleting the rows would leave their bytes in the file. What a killed process spilled beside it,
    and the small home of an incremental build, go with it.
    """
    remove_delta(paths)
    with hold_warehouse(paths, progress=progress):
        for file in (paths.warehouse, Path(f"{paths.warehouse}.wal")):
            file.unlink(missing_ok=True)
        shutil.rmtree(f"{paths.warehouse}.tmp", ignore_errors=True)


def _drop_keys_of_checks(paths: SitePaths) -> None:
    """Delete what the last build's checks name rows in; the next build's write it anew."""
    paths.offenders.unlink(missing_ok=True)
    shutil.rmtree(paths.data_docs, ignore_errors=True)
