"""What happens to hospitals in these tests: the same data told otherwise, and builds cut short.

All of it with the smallest set, Synthea's 27 persons as CSV. Every story takes several builds, is
played once in a session, and returns what was seen; the tests say what should have been.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import random
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pumasi.config import SitePaths
from pumasi.errors import ReleaseError
from pumasi.extract.manifest import load_manifests
from pumasi.release import latest_release, verify_release
from tests.end_to_end.network import PATIENCE_SECONDS, SETS, Built, Network, site_toml

SITE = "synthea27"
# Whoever is to be the same person in two homes needs the same key in both.
KEY = "5a" * 32
DATED_BY = {
    "patients": "BIRTHDATE",
    "encounters": "START",
    "conditions": "START",
    "medications": "START",
    "observations": "DATE",
    "procedures": "START",
    "immunizations": "DATE",
}
Rows = list[list[str]]


@dataclass(frozen=True)
class Works:
    """Builds and stories by name, running or done; the same for everybody who asks."""

    futures: dict[str, Future[Any]]

    def result(self, name: str) -> Any:
        """What the work gave, once it is done."""
        return self.futures[name].result()


def _tables(shared_data: Path) -> dict[str, Rows]:
    """Every table of the set with its header, by name."""
    tables = {}
    for path in sorted((shared_data / SETS[SITE].folder).glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
            tables[path.name.split(".")[0]] = list(csv.reader(stream))
    return tables


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _vocabulary(shared_data: Path) -> str:
    return f'[vocabulary]\nsource = "folder"\nurl = "{shared_data / "vocabulary_shard"}"\n'


# -- the same data, told otherwise ----------------------------------------------------------------


@dataclass(frozen=True)
class Variants:
    """The set built again as it is; from shuffled files, on one thread; and with one change."""

    again: Built
    shuffled: Built
    changed: Built


def variants(network: Network, first: Built, root: Path, shared_data: Path) -> Variants:
    """Build the set once more in its place, and twice in homes of their own with the same key."""
    tables = _tables(shared_data)
    again = network.build(first.site)
    return Variants(
        again, _shuffled(root, tables, shared_data), _changed(root, tables, shared_data)
    )


def _variant(root: Path, shared_data: Path) -> tuple[Network, Path]:
    """A home with the set's site and key, and the folder that its extract is to be in."""
    network, extract = Network(root), root / "extract"
    extract.mkdir(parents=True)
    own = SETS[SITE]
    toml = site_toml(SITE, own.format, extract, own.last_day) + _vocabulary(shared_data)
    network.add(SITE, toml, key=KEY)
    return network, extract


def _shuffled(root: Path, tables: dict[str, Rows], shared_data: Path) -> Built:
    """Rows in another order, each table in two files of other names in a zip; one thread."""
    network, extract = _variant(root / "shuffled", shared_data)
    shuffle = random.Random(7).shuffle  # noqa: S311 - an order, not a secret
    with zipfile.ZipFile(extract / "export.zip", "w") as archive:
        for name, (header, *rows) in reversed(tables.items()):
            shuffle(rows)
            for part in (2, 1):
                half = rows[part - 1 :: 2]
                archive.writestr(f"out/{name.upper()}_{part}.csv", _csv([header, *half]))
    network.pumasi("site", "sync")
    profiles = network.home / "dbt" / "profiles.yml"
    two = profiles.read_text()
    one = two.replace("threads: 2", "threads: 1").replace(
        "settings:", "settings:\n        threads: 1"
    )
    assert one.count("threads: 1") == 2
    profiles.write_text(one)
    # As `pumasi build` does, which would write the profile anew.
    done = network.run(
        [sys.executable, "-m", "orchestration", "build"],
        PUMASI_SITE=SITE,
        DAGSTER_HOME=str(network.home / "dagster"),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    assert profiles.read_text() == one
    return network.sealed(SITE, done.returncode, done.stdout)


def _changed(root: Path, tables: dict[str, Rows], shared_data: Path) -> Built:
    """One person is born a year earlier; everything else is as it was."""
    network, extract = _variant(root / "changed", shared_data)
    column = tables["patients"][0].index("BIRTHDATE")
    year, rest = tables["patients"][1][column].split("-", 1)
    tables["patients"][1][column] = f"{int(year) - 1}-{rest}"
    for name, rows in tables.items():
        (extract / f"{name}.csv").write_text(_csv(rows))
    return network.build(SITE)


# -- builds cut short -----------------------------------------------------------------------------

DAYS = (date(2021, 12, 31), date(2022, 12, 31), SETS[SITE].last_day)


@dataclass(frozen=True)
class Kill:
    """What was there after `pumasi build` and all it had started were killed (-9).

    `halfway`: the step had begun and not ended. `latest` is the id of the latest release, None if
    it isn't whole. `lost` are files of raw, deliveries and quarantine that changed or went away.
    """

    halfway: bool
    latest: str | None
    lost: frozenset[str]


@dataclass(frozen=True)
class Interrupted:
    """A hospital with three deliveries, of which the second arrived during the first build.

    Then one build after the other was killed, in `kills` by step, and the last was left alone.
    `undisturbed` is the only build of a second hospital, to which all three deliveries had come.
    """

    deliveries: tuple[str, ...]
    arrived: str
    first: Built
    kills: dict[str, Kill]
    last: Built
    undisturbed: Built


@dataclass(frozen=True)
class Moment:
    """A step: how one sees that it has begun, and that it hasn't ended."""

    begun: Callable[[SitePaths, int], bool]
    unfinished: Callable[[SitePaths, int], bool]


def _newer(folder: Path, pattern: str, since: int) -> int:
    return sum(path.stat().st_mtime_ns > since for path in folder.glob(pattern))


def _reading(paths: SitePaths, since: int) -> bool:
    return any(paths.reading.glob("*/encounters*"))


def _transforming(paths: SitePaths, since: int) -> bool:
    # dbt writes the SQL of every model as it comes to it.
    return _newer(paths.dbt_target / "run" / "run", "**/*.sql", since) > 30


def _transformed(paths: SitePaths, since: int) -> bool:
    return _newer(paths.dbt_target / "run", "run_results.json", since) > 0


def _writing_candidate(paths: SitePaths, since: int) -> bool:
    return any(paths.candidate.with_name(".candidate.new").glob("*.parquet"))


def _checking(paths: SitePaths, since: int) -> bool:
    # The candidate's tables are there, and Great Expectations reads them: no outcome is written.
    return (
        _newer(paths.candidate, "candidate.json", since) > 0
        and not (paths.candidate / "outcomes.json").exists()
    )


def _sealing(paths: SitePaths, since: int) -> bool:
    return any(paths.releases.glob(".*.new"))


MOMENTS = {
    "read": Moment(_reading, _reading),
    "transform": Moment(_transforming, lambda paths, since: not _transformed(paths, since)),
    "candidate": Moment(_writing_candidate, _writing_candidate),
    "checks": Moment(_checking, _checking),
    "release": Moment(_sealing, _sealing),
}


def interrupted(root: Path, shared_data: Path) -> Interrupted:
    """Play the story of the three deliveries, in a home of its own."""
    tables = _tables(shared_data)
    network, source = _empty_site(root, shared_data)
    _deliver(source, tables, 1)
    arrived, first = _build_while_one_arrives(network, source, tables)
    _deliver(source, tables, 3)
    kills = {name: _kill_at(network, moment) for name, moment in MOMENTS.items()}
    last = network.build(SITE)
    other, elsewhere = _empty_site(root / "undisturbed", shared_data)
    for number in (1, 2, 3):
        _deliver(elsewhere, tables, number)
    manifests = load_manifests(network.paths(SITE).deliveries)
    by_day = {manifest.as_of: manifest.delivery_id for manifest in manifests}
    undisturbed = other.build(SITE)
    return Interrupted(tuple(by_day[day] for day in DAYS), arrived, first, kills, last, undisturbed)


def _empty_site(root: Path, shared_data: Path) -> tuple[Network, Path]:
    network, source = Network(root), root / "source"
    toml = site_toml(SITE, SETS[SITE].format, source) + _vocabulary(shared_data)
    network.add(SITE, toml, key=KEY)
    return network, source


def _deliver(source: Path, tables: dict[str, Rows], number: int) -> None:
    """Put a full extract up to the day of that number into the source folder, all at once."""
    day = DAYS[number - 1]
    folder = source.parent / "arriving"
    folder.mkdir(parents=True)
    for name, by in DATED_BY.items():
        header, *rows = tables[name]
        at = header.index(by)
        kept = [row for row in rows if row[at][:10] <= str(day)]
        (folder / f"{name}.csv").write_text(_csv([header, *kept]))
    (folder / "delivery.toml").write_text(f'as_of = {day}\nkind = "full"\n')
    source.mkdir(exist_ok=True)
    folder.rename(source / str(day))


def _build_while_one_arrives(
    network: Network, source: Path, tables: dict[str, Rows]
) -> tuple[str, Built]:
    """What reading the second delivery said, and the build of the first that ran meanwhile."""
    paths, since = network.paths(SITE), time.time_ns()
    process = network.start("build", "--site", SITE)
    _wait(lambda: _transforming(paths, since) or process.poll() is not None)
    assert process.poll() is None, (network.root / "started.log").read_text()
    _deliver(source, tables, 2)
    pulled = network.pumasi("pull", "--site", SITE)
    still_building = process.poll() is None
    code = process.wait(PATIENCE_SECONDS)
    assert still_building, "the build ended before the second delivery had been read"
    return pulled.stdout, network.sealed(SITE, code, (network.root / "started.log").read_text())


def _kill_at(network: Network, moment: Moment) -> Kill:
    paths, since = network.paths(SITE), time.time_ns()
    before = _kept(paths)
    process = network.start("build", "--site", SITE)
    _wait(lambda: moment.begun(paths, since) or process.poll() is not None, seconds=0.0005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    after = _kept(paths)
    lost = frozenset(name for name, content in before.items() if after.get(name) != content)
    return Kill(moment.unfinished(paths, since), _latest(paths), lost)


def _latest(paths: SitePaths) -> str | None:
    try:
        release = latest_release(paths)
        return verify_release(paths, release.id).id if release else None
    except ReleaseError:
        return None


def _kept(paths: SitePaths) -> dict[str, str]:
    """Hash of every file that reading made, by its path."""
    folders = (paths.raw, paths.deliveries, paths.quarantine)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(paths.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _wait(condition: Callable[[], bool], seconds: float = 0.05) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for didn't happen"
        time.sleep(seconds)
