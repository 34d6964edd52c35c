"""A run: same seed, same bytes; deliveries over time; the truth apart."""

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from pumasi.cli import main
from pumasi.errors import ConfigError
from pumasi.simulate import cuts, estimates, is_of, simulate
from pumasi.simulate.record import record
from pumasi.simulate.world import Chunk, World
from pumasi.simulate.writers import WRITERS, Cut, write_part
from tests.simulate.lives import crowd

WORLD = World(scale=0.005)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): sha256(f.read_bytes()).hexdigest() for f in files}


def run(folder: Path, world: World = WORLD, processes: int = 1, **more: object) -> Path:
    simulate(
        world,
        folder / "deliveries",
        folder / "truth",
        processes,
        lives=crowd,
        **more,  # type: ignore[arg-type]
    )
    return folder


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    one = hashes(run(tmp_path / "one"))
    assert one == hashes(run(tmp_path / "two", processes=2))
    assert len(one) > 60
    other = hashes(run(tmp_path / "other", World(scale=0.005, seed=7)))
    assert one.keys() == other.keys()
    assert (
        one["deliveries/sup/2026-07-01/Encounter_20000.ndjson"]
        != (other["deliveries/sup/2026-07-01/Encounter_20000.ndjson"])
    )


def test_deliveries_are_monthly_and_the_last_is_made_at_the_end() -> None:
    made = cuts(WORLD, 3, incremental=True)
    assert [cut.as_of for cut in made] == [date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)]
    assert [cut.after for cut in made] == [None, date(2026, 4, 30), date(2026, 5, 31)]
    assert [cut.kind for cut in made] == ["full", "incremental", "incremental"]
    assert {cut.kind for cut in cuts(WORLD, 3)} == {"full"}


def test_increments_together_are_the_full_delivery_but_for_rows_that_vanished(
    tmp_path: Path,
) -> None:
    chunk = Chunk("haneul", 0, 500)
    written = record(crowd(chunk, WORLD), chunk, WORLD)
    writer, after = WRITERS["haneul"], None
    for day in (date(2021, 1, 1), date(2022, 1, 1), date(2023, 1, 1)):
        cut = Cut(as_of=day, through=day - timedelta(days=1), after=after)
        write_part(written, "haneul", writer, cut, tmp_path / "parts" / cut.folder, 0)
        after = cut.through
    whole = Cut(as_of=cut.as_of, through=cut.through)
    write_part(written, "haneul", writer, whole, tmp_path / "whole", 0)
    keys = {"diagnoses": "diagnosis_no", "orders": "order_no", "patients": "patient_no"}
    for name, key in keys.items():
        missing, vanished, again, rows = compared(tmp_path, name, key)
        assert missing == 0, name
        assert vanished <= 0.002 * rows, name
        assert again > 20 or name == "patients", name  # corrected since


def compared(folder: Path, name: str, key: str) -> tuple[int, int, int, int]:
    """Rows of the full delivery that the increments lack, the reverse, changed rows, all rows.

    Of several increments with a row the newest counts.
    """
    options = "all_varchar = true, filename = true"
    with duckdb.connect() as connection:
        connection.execute(
            f"create view whole as select * exclude (filename) "
            f"from read_csv('{folder}/whole/{name}_0.csv', {options})"
        )
        connection.execute(
            f"create view parts as select * from read_csv('{folder}/parts/*/{name}_0.csv', "
            f"{options})"
        )
        connection.execute(
            f"create view merged as select * exclude (filename) from parts qualify row_number() "
            f"over (partition by {key} order by filename desc) = 1"
        )
        row = connection.execute(
            "select (select count(*) from (select * from whole except select * from merged)), "
            "(select count(*) from (select * from merged except select * from whole)), "
            "(select count(*) from parts) - (select count(*) from merged), "
            "(select count(*) from whole)"
        ).fetchall()[0]
    return row[0], row[1], row[2], row[3]


def test_the_truth_must_not_lie_where_hospitals_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hospitals read it"):
        simulate(WORLD, tmp_path, tmp_path / "truth", lives=crowd)


def test_the_truth_says_of_which_world_it_is(tmp_path: Path) -> None:
    folder = run(tmp_path)
    assert is_of(WORLD, folder / "truth")
    assert not is_of(World(scale=0.005, recording="perfect"), folder / "truth")


def test_what_will_be_written_is_said_before() -> None:
    found = {each.hospital: each for each in estimates(World())}
    assert {name: each.persons for name, each in found.items()} == {
        "haneul": 20000, "bada": 14000, "sup": 9000, "deul": 5000,
    }  # fmt: skip
    assert found["sup"].rows > 100 * 9000


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "run", "--dry-run", "--out", str(tmp_path / "x")])
    assert end.value.code == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "x").exists()


def test_a_world_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "run", "--preset", "tiny", "--dry-run"])
    assert end.value.code == 1
    assert "preset is one of demo, enriched_dev, realistic" in capsys.readouterr().err


def test_a_trial_says_what_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "trial.parquet"
    with pytest.raises(SystemExit) as end:
        main(["simulate", "trial", "dupilumab", "omalizumab", "--lives", "40", "--out", str(out)])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "rate_ratio" in said and "dupilumab : omalizumab" in said
    assert duckdb.sql(f"select count(*) from '{out}'").fetchall() == [(80,)]
