"""Where a connector lands a delivery, and how far each delivery reached. Below `landing`:

    work/                 being fetched; becomes a delivery by one rename
    deliveries/<day>/     whole, waiting to be read: files, delivery.toml, .landed.json
    receipts/<day>.json   what was read: its files are gone, because they hold identifiers
    vocabulary/           vocabulary tables, which hold none and are kept

A delivery is named by its day: two of one day could not be put into an order. An incremental one
says which it was asked `after`. The next is asked after the last delivery that is still there,
waiting or read, and whose predecessors are too: whoever removes one gets its rows again.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pumasi.atomic import sync_folder, write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract.discover import DELIVERY_FILE, LANDED_FILE, DeliveryFolder
from pumasi.extract.formats import FORMATS

PRIVATE = 0o700
# Below the landing: what is known of an export that goes on.
EXPORT_FILE = "export.json"


@dataclass(frozen=True)
class Landed:
    """A delivery that was fetched: where it ended (`position`), and which it continues (`after`).

    `rows` are those that were fetched, per table or resource type; `notes` are said where the
    delivery is pulled.
    """

    name: str
    connector: str
    kind: str
    after: str | None
    position: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@contextmanager
def fetching(config: SiteConfig, paths: SitePaths) -> Iterator[Path]:
    """An own working folder, with nobody else fetching for this hospital.

    Raises:
        DeliveryError: another process fetches; two would ask the source for the same twice.
    """
    for folder in (paths.landing, waiting_folder(paths), work_folder(paths)):
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    with (paths.landing / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeliveryError(
                f"site {config.id}: another process fetches a delivery of this hospital; wait "
                "until it has ended, then run again"
            ) from None
        shutil.rmtree(paths.landing / "removed", ignore_errors=True)  # what a killed process left
        yield work_folder(paths)


def waiting_folder(paths: SitePaths) -> Path:
    """The folder of the deliveries that wait to be read."""
    return paths.landing / "deliveries"


def work_folder(paths: SitePaths) -> Path:
    """The folder of the delivery that is being fetched."""
    return paths.landing / "work"


def vocabulary_folder(paths: SitePaths) -> Path:
    """The folder of the vocabulary tables that were fetched."""
    return paths.landing / "vocabulary"


def last_landed(config: SiteConfig, paths: SitePaths) -> Landed | None:
    """The delivery that an incremental one continues, None if all has to be fetched."""
    found = None
    for landed in _there(paths):
        if landed.connector != config.source.connector:
            continue
        if landed.kind == "full" or (found is not None and landed.after == found.name):
            found = landed
    return found


def check_day(config: SiteConfig, paths: SitePaths, day: date) -> None:
    """Whether a delivery of that day can follow those that are there.

    Raises:
        DeliveryError: a later one is there.
    """
    names = [each.name for each in _there(paths)]
    if names and day.isoformat() < names[-1]:
        raise DeliveryError(
            f"site {config.id}: the source says that today is {day}, but a delivery as of "
            f"{names[-1]} was fetched before. Nothing was fetched; is the source's clock right?"
        )


def check_persons(config: SiteConfig, kind: str, rows: Mapping[str, int]) -> None:
    """Whether a delivery has what a full one must have; landed, it would be in the way of the next.

    Raises:
        DeliveryError: it is full and has no row of a table that every delivery has.
    """
    for table in FORMATS[config.format].tables:
        name = table.resource or table.name
        if kind == "full" and table.required and not rows.get(name):
            raise DeliveryError(
                f"site {config.id}: the source has no rows of {name}: an empty extract is refused, "
                "because in a full delivery it would delete everybody. Nothing was landed; ask the "
                "source, and whether this user or token may see them"
            )


def is_there(paths: SitePaths, day: date) -> bool:
    """Whether a delivery of that day waits or was read."""
    return day.isoformat() in [each.name for each in _there(paths)]


def commit(
    config: SiteConfig, paths: SitePaths, landed: Landed, as_of: date, extracted_through: date
) -> None:
    """Make the working folder a delivery: its statement, how far it reached, and one rename.

    Dates that the configuration states are not stated again: they stand for one content only.
    """
    work = work_folder(paths)
    said = [f'kind = "{landed.kind}"']
    if config.source.as_of is None:
        said = [f"as_of = {as_of}", f"extracted_through = {extracted_through}", *said]
    write_text(work / DELIVERY_FILE, "\n".join(said) + "\n")
    write_text(work / LANDED_FILE, json.dumps(asdict(landed), indent=1) + "\n")
    for file in work.iterdir():
        sync_folder(file)
    sync_folder(work)
    os.rename(work, waiting_folder(paths) / landed.name)
    sync_folder(waiting_folder(paths))


def clear(paths: SitePaths, delivery: DeliveryFolder, delivery_id: str) -> None:
    """Remove the files of a delivery that was read, and leave a receipt.

    Its raw tables must be there. A delivery that no connector landed is left alone.
    """
    folder = Path(delivery.url.removeprefix("file://"))
    if folder.parent != waiting_folder(paths) or not (paths.raw / delivery_id).exists():
        return
    landed = json.loads((folder / LANDED_FILE).read_text())
    receipt = {"key": delivery.key, "delivery_id": delivery_id, "landed": landed}
    write_text(_receipts(paths) / f"{landed['name']}.json", json.dumps(receipt, indent=1) + "\n")
    # By a rename first: half of a delivery would be another delivery.
    removed = paths.landing / "removed"
    shutil.rmtree(removed, ignore_errors=True)
    os.rename(folder, removed)
    shutil.rmtree(removed)


def discard(config: SiteConfig, paths: SitePaths) -> None:
    """Remove whatever was fetched and not read, because a person in it withdrew.

    Nothing is lost: the next delivery continues the last that was read, and brings it again.

    Raises:
        DeliveryError: another process is fetching.
    """
    if not paths.landing.exists():
        return
    with fetching(config, paths):
        (paths.landing / EXPORT_FILE).unlink(missing_ok=True)
        for folder in (waiting_folder(paths), work_folder(paths)):
            shutil.rmtree(folder)


def read_as(paths: SitePaths, key: str) -> str | None:
    """Id under which the landed delivery of that key was read, None if it was not."""
    for receipt in _receipts_there(paths):
        if receipt["key"] == key:
            return str(receipt["delivery_id"])
    return None


def _receipts(paths: SitePaths) -> Path:
    return paths.landing / "receipts"


def _receipts_there(paths: SitePaths) -> list[dict[str, Any]]:
    """Receipts of deliveries whose raw tables are there."""
    found = [json.loads(each.read_text()) for each in sorted(_receipts(paths).glob("*.json"))]
    return [each for each in found if (paths.raw / each["delivery_id"]).exists()]


def _there(paths: SitePaths) -> list[Landed]:
    """Deliveries that wait or were read, by their day."""
    said = {each["landed"]["name"]: each["landed"] for each in _receipts_there(paths)}
    for file in waiting_folder(paths).glob(f"*/{LANDED_FILE}"):
        landed = json.loads(file.read_text())
        said[landed["name"]] = landed
    return [Landed(**(said[name] | {"notes": tuple(said[name]["notes"])})) for name in sorted(said)]
