"""A person who withdrew is nowhere: whatever was delivered before, between and after.

Every test ends in a search of all that the home holds, tombstone apart.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from pumasi.config import SiteConfig, SitePaths, project_root
from pumasi.errors import GateClosedError, ReleaseError, WithdrawalError
from pumasi.extract import discover, pull, read, read_vocabulary
from pumasi.extract.tombstones import load_tombstones, require_purged
from pumasi.quality import Purpose, conservation_outcomes
from pumasi.release import (
    Provenance,
    Release,
    latest_release,
    open_release,
    seal,
    verify_release,
    write_candidate,
)
from pumasi.release.content import table_content
from pumasi.withdrawal import withdraw
from tests.extract.extracts import place_key
from tests.hospital import (
    ASTHMA,
    CELECOXIB,
    WEIGHT,
    TinyHospital,
    tiny_site,
    write_vocabulary,
)
from tests.release.tiny import passed

NOON = datetime(2020, 6, 1, 12, tzinfo=UTC)
# No other text of these tests contains it.
GONE = "kim-4711"
DAYS = {"first": date(2018, 12, 31), "second": date(2019, 12, 31)}


def hospital(delivery: str, *, with_gone: bool = True) -> TinyHospital:
    """Two persons and what happened to them; the second delivery has more of both, and a defect.

    Ids are by person, so that nothing of one depends on whether the other is there.
    """
    made = TinyHospital()
    for person in [*([GONE] if with_gone else []), "q"]:
        one = TinyHospital()
        one.add_person(person)
        visit = one.add_visit(person, "2014-01-01")
        one.add_condition(person, ASTHMA, "2014-02-01", "2014-02-01", visit)
        one.add_drug(person, CELECOXIB, "2015-03-01", days=10)
        if delivery == "second":
            one.add_measurement(person, WEIGHT, "2019-03-01", 70.0, "kg")
            one.add_condition(person, ASTHMA, "2019-02-01")
            one.change_last("Condition", id="")
        for resource, rows in one.resources.items():
            named = [row | {"id": row["id"] and f"{person}-{row['id']}"} for row in rows]
            for row in named:
                if "encounter" in row:
                    row["encounter"] = {"reference": f"Encounter/{person}-{visit}"}
            own = [{**row, "id": person} for row in named]
            made.resources.setdefault(resource, []).extend(own if resource == "Patient" else named)
    return made


class Site:
    """A tiny hospital in a home of its own: deliver, build a release, withdraw, search."""

    def __init__(self, root: Path, project: CompiledProject) -> None:
        self.root, self.project = root, project
        self.paths = SitePaths.of("tiny", root / "home")
        write_vocabulary(root / "vocabulary")
        place_key(self.paths)
        self.runs = 0

    @property
    def config(self) -> SiteConfig:
        return tiny_site(self.root, DAYS["first"])

    def deliver(self, name: str, *, with_gone: bool = True, kind: str = "full") -> None:
        folder = self.root / "extract" / name
        made = hospital(name, with_gone=with_gone)
        made.write(folder, DAYS[name], kind)
        with (folder / "Condition.ndjson").open("a") as stream:
            stream.write('{"resourceType": "Condition", "id": "torn"\n')
        config = self.config
        deliveries = discover(config)
        for delivery in deliveries:
            read(config, pull(config, delivery, self.paths), delivery, self.paths)
        read_vocabulary(config, deliveries, self.paths)

    def release(self) -> Release:
        self.runs += 1
        run = f"run-{self.runs}"
        require_purged(self.paths)
        self.paths.warehouse.unlink(missing_ok=True)
        with closing(self.project.build(self.paths, str(self.paths.warehouse))) as connection:
            write_candidate(connection, self.paths, run_id=run)
        unmet = [o for o in conservation_outcomes(self.paths.candidate) if o.violations]
        assert {o.name for o in unmet if "every_row_has_a_fate" in o.name} == set()
        return seal(self.paths, [passed()], Provenance(run, {}), sealed_at=NOON, transformation="t")

    def withdraw(self, *identifiers: str) -> None:
        withdraw(self.config, identifiers or (GONE,), self.paths, NOON)

    def found(self) -> set[str]:
        """Where the person still is: in the names and texts of files, or in a column of a table."""
        (key,) = {each.person_id for each in load_tombstones(self.paths)}
        files = [path for path in self.paths.root.rglob("*") if path.is_file()]
        places = {
            str(path)
            for path in files
            if path.name != "tombstones.json"
            and any(
                word in path.read_bytes() or word.decode() in str(path)
                for word in (GONE.encode(), str(key).encode())
            )
        }
        for place, connection, relation in _tables(files):
            columns = connection.execute(f"describe from {relation}").fetchall()
            for name, kind, *_ in columns:
                wanted = f"'{key}'" if kind in ("BIGINT", "HUGEINT", "UBIGINT") else f"'{GONE}'"
                test = f'contains("{name}"::varchar, {wanted})'
                if connection.execute(f"select count(*) from {relation} where {test}").fetchall()[
                    0
                ][0]:
                    places.add(f"{place} {name}")
        return places


def _tables(files: list[Path]) -> Iterator[tuple[str, duckdb.DuckDBPyConnection, str]]:
    with duckdb.connect() as connection:
        for path in files:
            if path.suffix == ".parquet":
                yield str(path), connection, f"read_parquet('{path}')"
    for path in files:
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                for schema, name in connection.execute(
                    "select table_schema, table_name from information_schema.tables"
                ).fetchall():
                    yield f"{path} {schema}.{name}", connection, f'"{schema}"."{name}"'


def select(file: Path, columns: str, rest: str = "") -> list[Any]:
    with duckdb.connect() as connection:
        query = f"select {columns} from read_parquet($1) {rest}"
        return connection.execute(query, [str(file)]).fetchall()


def contents(release: Release) -> dict[str, str]:
    with duckdb.connect() as connection:
        return {
            name: table_content(connection, release.folder / "tables" / f"{name}.parquet").hash
            for name in release.tables
        }


@pytest.fixture(scope="module")
def without(fhir_project: CompiledProject, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release of a hospital in which the person never was."""
    site = Site(tmp_path_factory.mktemp("without"), fhir_project)
    for name in DAYS:
        site.deliver(name, with_gone=False)
    return site.release()


@pytest.mark.slow
@pytest.mark.parametrize("order", sorted(permutations(["first", "second", "withdraw"])))
def test_a_withdrawal_before_between_and_after_deliveries_in_any_order(
    tmp_path: Path,
    fhir_project: CompiledProject,
    without: Release,
    order: tuple[str, ...],
) -> None:
    site = Site(tmp_path, fhir_project)
    released = []
    for step in order:
        if step == "withdraw":
            site.withdraw()
            assert site.found() == set()
        else:
            site.deliver(step, kind="full" if step == order[0] else "incremental")
            released.append(site.release())
    last = site.release()
    assert site.found() == set()
    assert contents(last) == contents(without)
    fates = select(
        site.paths.candidate / "row_fates.parquet",
        "source_table, sum(rows)::integer",
        "where rule = 'person_withdrawn' group by all",
    )
    assert dict(fates) == {
        "patient": 2,
        "encounter": 2,
        "condition": 3,
        "medication_request": 2,
        "observation": 1,
    }
    purged = [each for each in released if each.is_purged]
    assert len(purged) == order.index("withdraw")
    for each in purged:
        assert verify_release(site.paths, each.id).is_purged
        with pytest.raises(ReleaseError, match="held a person who withdrew since; build again"):
            each.table("person")


def test_the_latest_release_is_closed_until_the_next_build(
    tmp_path: Path, fhir_project: CompiledProject
) -> None:
    site = Site(tmp_path, fhir_project)
    site.deliver("first")
    before = site.release()
    model = site.paths.models / "task" / "m.json"
    model.parent.mkdir(parents=True)
    model.write_text(f'{{"release": "{before.id}"}}')
    counted = withdraw(site.config, [GONE], site.paths, NOON, dry_run=True)
    assert (counted.persons, counted.new_persons, counted.rows) == (1, 1, 4)
    assert (counted.releases, counted.models) == ((before.id,), (model,))
    assert not before.is_purged
    assert not site.paths.tombstones.exists()
    done = withdraw(site.config, [GONE], site.paths, NOON)
    assert done == counted
    with pytest.raises(GateClosedError, match="held a person who withdrew since; build again"):
        open_release("tiny", Purpose("task", ()), NOON, tmp_path / "home")
    again = withdraw(site.config, [GONE, "nobody-yet"], site.paths, NOON)
    assert (again.persons, again.new_persons, again.rows, again.releases) == (2, 1, 0, ())
    site.release()
    assert open_release("tiny", Purpose("task", ()), NOON, tmp_path / "home").tables


def test_what_was_quarantined_of_the_person_goes_and_what_is_nobodys_loses_its_hash(
    tmp_path: Path, fhir_project: CompiledProject
) -> None:
    site = Site(tmp_path, fhir_project)
    site.deliver("second")
    (file,) = site.paths.quarantine.glob("*.parquet")
    columns = "reason, person_id is null, line_hash is null, byte_offset is null"
    before = select(file, columns)
    site.withdraw()
    after = select(file, columns)
    assert len(before) - len(after) == sum(1 for _, nobody, *_ in before if not nobody) / 2
    assert {(nobody, no_hash) for _, nobody, no_hash, _ in before} <= {
        (True, False),
        (False, False),
    }
    assert all(no_hash == nobody and not no_offset for _, nobody, no_hash, no_offset in after)
    delivery = site.paths.raw / file.stem
    assert select(delivery / "delivery.parquet", "generation") == [(2,)]
    counts = select(
        delivery / "read_counts.parquet",
        "sum(rows_in - rows_read - rows_quarantined - rows_ignored - rows_withdrawn), "
        "sum(rows_quarantined)",
    )
    assert counts == [(0, len(after))]


def test_what_killed_processes_left_goes_too(tmp_path: Path, fhir_project: CompiledProject) -> None:
    site = Site(tmp_path, fhir_project)
    site.deliver("first")
    (raw,) = site.paths.raw.iterdir()
    root = site.paths.root
    left = [root / ".candidate.new", root / "delta" / "sites" / "tiny" / "raw" / raw.name]
    left += [site.paths.reading / name for name in (f"{raw.name}.purged", "half-read", "landing")]
    for folder in [*left, root / "warehouse.duckdb.tmp"]:
        shutil.copytree(raw, folder)
    (site.paths.reading / "landing" / "Patient.ndjson").write_text(f'{{"id": "{GONE}"}}')
    site.paths.offenders.write_text("check,key\nperson.age_is_plausible,4711\n")
    site.paths.data_docs.mkdir()
    site.withdraw()
    assert site.found() == set()
    assert not site.paths.offenders.exists() and not site.paths.data_docs.exists()
    assert [path.name for path in site.paths.reading.iterdir()] == [".lock"]
    assert not any(folder.exists() for folder in left)


@pytest.mark.parametrize("identifiers", [["q", " "], ["q", "NULL"]])
def test_a_line_without_an_identifier_withdraws_nobody(
    tmp_path: Path, fhir_project: CompiledProject, identifiers: list[str]
) -> None:
    site = Site(tmp_path, fhir_project)
    with pytest.raises(WithdrawalError, match="line 2 holds no identifier"):
        site.withdraw(*identifiers)
    assert load_tombstones(site.paths) == ()


# Ends itself by SIGKILL at the n-th call of the function that is named.
KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from pumasi.config import SitePaths
from pumasi.withdrawal import withdraw
from tests.dbt.test_withdrawal import DAYS, GONE, NOON
from tests.hospital import tiny_site
root, function, n = sys.argv[1:]
real, calls = getattr(os, function), 0
def counting(*arguments, **named):
    global calls
    calls += 1
    if calls == int(n):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
setattr(os, function, counting)
paths = SitePaths.of("tiny", Path(root) / "home")
withdraw(tiny_site(Path(root), DAYS["first"]), [GONE], paths, NOON)
"""


@pytest.fixture(scope="module")
def two_delivered(fhir_project: CompiledProject, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Both deliveries with the person, and a release of them."""
    site = Site(tmp_path_factory.mktemp("delivered"), fhir_project)
    for name in DAYS:
        site.deliver(name)
    site.release()
    return site


@pytest.mark.parametrize(
    ("function", "call"),
    [
        *(("replace", n) for n in (1, 2, 3, 4, 5)),
        *(("rename", n) for n in (1, 2, 3, 4, 5, 6)),
        *(("unlink", n) for n in (1, 3)),
    ],
)
def test_a_withdrawal_that_is_killed_is_ended_by_another(
    tmp_path: Path, two_delivered: Site, without: Release, function: str, call: int
) -> None:
    shutil.copytree(two_delivered.root, tmp_path, dirs_exist_ok=True)
    site = Site(tmp_path, two_delivered.project)
    held = latest_release(site.paths)
    assert held is not None
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), function, str(call)],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if load_tombstones(site.paths):
        with pytest.raises(WithdrawalError, match="a withdrawal did not end"):
            site.release()
        with pytest.raises(WithdrawalError, match="person withdraw --finish --site tiny"):
            open_release("tiny", Purpose("task", ()), NOON, tmp_path / "home")
        withdraw(site.config, [], site.paths, NOON)
    else:
        site.withdraw()
    assert site.found() == set()
    assert held.is_purged
    assert contents(site.release()) == contents(without)
