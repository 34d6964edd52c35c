"""Straight from the record: the marts are those of the way through files, row by row."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from pumasi.cli import main
from pumasi.errors import ConfigError
from pumasi.simulate import direct
from pumasi.simulate.world import World
from tests.simulate.conftest import Network
from tests.simulate.lives import crowd

pytestmark = pytest.mark.slow

HOSPITALS = list(direct.TRAITS)
# Of each mart the rows that a hospital must have at least, or the comparison would say nothing.
FEWEST = {
    "asthma__cohort": 10,
    "asthma__exacerbations": 5,
    "asthma__risk_features": 500,
    "asthma__treatment_episodes": 200,
    "core__charlson": 100,
    "core__comedication": 1000,
    "fabry__cohort": 1,
    "fabry__evidence": 20,
    "fabry__kidney_course": 500,
    "fabry__screening_features": 500,
    "gi_bleed__new_users": 20,
}
DRUGS = """
    select person_id, drug_concept_id, drug_exposure_start_date, drug_exposure_end_date,
        quantity, days_supply, known_date
    from intermediate.int_drug_exposures
"""


def compared(
    files: duckdb.DuckDBPyConnection, straight: duckdb.DuckDBPyConnection, query: str
) -> tuple[int, int, int]:
    """Rows of `query` by way of the files; those that only this way, only the other way gives."""
    with duckdb.connect() as connection:
        connection.register("x", files.sql(query).to_arrow_table())
        connection.register("y", straight.sql(query).to_arrow_table())
        rows, lost, made_up = (
            connection.sql(f"select count(*) from ({each})").fetchall()[0][0]
            for each in ("from x", "from x except all from y", "from y except all from x")
        )
    return rows, lost, made_up


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_every_mart_is_that_of_the_way_through_files(network: Network, hospital: str) -> None:
    ways = network.ways(hospital)
    found = {
        mart: compared(ways.files, ways.direct, f"from marts.{mart}")
        for mart in direct.mart_names(network.made_with.project)
    }
    assert {mart: each[1:] for mart, each in found.items()} == dict.fromkeys(FEWEST, (0, 0))
    assert [mart for mart, least in FEWEST.items() if found[mart][0] < least] == []


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_every_drug_exposure_is_that_of_the_way_through_files(
    network: Network, hospital: str
) -> None:
    ways = network.ways(hospital)
    rows, lost, made_up = compared(ways.files, ways.direct, DRUGS)
    assert (lost, made_up) == (0, 0)
    assert rows > 2000


def test_networks_differ_by_their_seed_alone_and_not_by_the_processes(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "workshop", lambda folder: network.made_with)  # made already
    world, done = World(scale=0.005, seed=5), Counter[int]()
    one, two = tmp_path / "one", tmp_path / "two"
    for out, processes in ((one, 1), (two, 2)):
        direct.simulate_marts(
            world, 2, out, processes, lambda each: done.update([each.seed]), lives=crowd
        )
    assert done == {5: 2, 6: 2}
    assert hashes(one) == hashes(two)
    assert len(hashes(one)) == 2 * 4 * len(FEWEST)
    first, second = (
        parquet.read_table(one / seed / "haneul" / "core__comedication.parquet")
        for seed in ("5", "6")
    )
    assert first.num_rows > 50
    assert not first.equals(second)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_command_writes_the_marts_of_each_hospital_and_no_truth(
    network: Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(direct, "workshop", lambda folder: network.made_with)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "marts", "--scale", "0.002", "--seed", "9", "--out", str(tmp_path)])
    assert ended.value.code == 0
    assert str(tmp_path) in capsys.readouterr().out
    found = {file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {
        Path("9", hospital, f"{mart}.parquet") for hospital in HOSPITALS for mart in FEWEST
    }


def test_no_network_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="at least one network"):
        direct.simulate_marts(World(), 0, tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "marts", "--networks", "0", "--out", str(tmp_path)])
    assert ended.value.code == 1
    assert "at least one network" in capsys.readouterr().err
