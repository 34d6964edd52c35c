"""The catalogue of faults and what puts them into files: exactly what a row says, and no more."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest

from benchmarks.quality.catalogue import Fault, FaultError, faults
from benchmarks.quality.inject import inject

FAULTS = faults()
ROWS = 200


def fault(**said: object) -> Fault:
    about = {"id": "f", "family": "x", "hospital": "haneul", "tables": ("results",)}
    sizes = {"what": "w", "check": "a.b_is_c", "gross": 1.0, "promised": 0.1}
    return Fault(**{**about, **sizes, **said})  # type: ignore[arg-type]


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """200 results of 20 patients, as CSV, parquet and lines of JSON; the patients as CSV."""
    with duckdb.connect() as connection:
        connection.execute(
            f"create table results as select 'R' || i as no, 'H' || i % 20 as patient, "
            f"(i / 10)::varchar as value, case when i % 2 = 0 then 'mg' end as unit "
            f"from range({ROWS}) t (i)"
        )
        connection.execute(f"copy results to '{tmp_path}/results_0.csv'")
        connection.execute(f"copy results to '{tmp_path}/table_7.parquet'")
        connection.execute(f"copy results to '{tmp_path}/Result_0.ndjson' (format json)")
        connection.execute(
            f"copy (select distinct patient from results order by all) to '{tmp_path}/patients.csv'"
        )
    return tmp_path


def rows(file: Path) -> list[tuple[object, ...]]:
    read = "read_csv('{}', all_varchar = true)" if file.suffix == ".csv" else "'{}'"
    return duckdb.sql(f"from {read.format(file)}").fetchall()


def test_a_file_that_is_cut_may_have_been_stated_whole(delivery: Path) -> None:
    size = (delivery / "results_0.csv").stat().st_size
    (delivery / "delivery.toml").write_text('kind = "full"\n')
    inject(fault(action="cut", stated=True), 0.25, 1, delivery)
    said = tomllib.loads((delivery / "delivery.toml").read_text())
    assert said == {"kind": "full", "bytes": {"results_0.csv": size}}
    assert (delivery / "results_0.csv").stat().st_size == round(0.75 * size)


def test_there_are_sixty_faults_of_every_format_with_names_of_their_own() -> None:
    assert len(FAULTS) >= 60
    assert len({each.id for each in FAULTS}) == len(FAULTS)
    assert set(Counter(each.hospital for each in FAULTS)) == {"haneul", "bada", "sup", "deul"}
    assert {each.delivery for each in FAULTS} == {"first", "second"}


def test_a_third_of_the_faults_was_written_after_the_thresholds_were_frozen() -> None:
    assert sum(each.frozen for each in FAULTS) >= len(FAULTS) / 3


def test_a_fault_has_its_gross_size_the_promised_and_half_of_it() -> None:
    sizes = fault(gross=0.4, promised=0.1).sizes
    assert list(sizes) == ["gross", "middle", "low", "promised", "half"]
    assert sizes["half"] == pytest.approx(0.05)
    assert sizes["gross"] > sizes["middle"] > sizes["low"] > sizes["promised"]


def test_of_one_row_there_is_no_half() -> None:
    assert fault(unit="rows", gross=1, promised=1).sizes == {"gross": 1, "promised": 1}
    assert fault(unit="rows", gross=100, promised=1).sizes == {
        "gross": 100, "middle": 10, "low": 3, "promised": 1,
    }  # fmt: skip


def test_another_definition_is_another_fault_and_other_words_are_not() -> None:
    assert fault(what="else").definition == fault().definition
    assert fault(set={"value": "null"}).definition != fault().definition


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("among = 'true'\nwhere = 'true'", "fault a: .*where"),
        ("gross = 0.1\npromised = 0.2", "fault a: it promises 0.2 of at most 0.1"),
        ("check = ''", "fault a: no check names it, and none is wanted"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: str, message: str) -> None:
    good = dedent("""
        id = 'a'
        family = 'x'
        hospital = 'haneul'
        table = 't'
        what = 'w'
        check = 'a.b'
        gross = 1
        promised = 1
    """)
    names = {line.partition(" ")[0] for line in row.splitlines()}
    kept = [line for line in good.splitlines() if line.partition(" ")[0] not in names]
    file = tmp_path / "faults.toml"
    file.write_text("\n".join(["[[fault]]", *kept, row]))
    with pytest.raises(FaultError, match=message):
        faults(file)


@pytest.mark.parametrize("name", ["results", "table"])
def test_a_change_hits_the_share_of_the_rows_and_leaves_the_others(
    delivery: Path, name: str
) -> None:
    (file,) = delivery.glob(f"{name}_*")
    before = rows(file)
    each = fault(tables=(name,), set={"value": "'x' || value"}, among="unit is not null")
    assert inject(each, 0.25, 1, delivery) == 25
    after = rows(file)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 25
    assert all(b == (a[0], a[1], f"x{a[2]}", "mg") for a, b in changed)


def test_lines_of_json_are_changed_as_text(delivery: Path) -> None:
    each = fault(tables=("Result",), set={"json": 'replace(json, \'"no":"\', \'"no":"X\')'})
    assert inject(each, 0.1, 1, delivery) == 20
    numbers = [str(row[0]) for row in rows(delivery / "Result_0.ndjson")]
    assert Counter(number[0] for number in numbers) == {"R": 180, "X": 20}


def test_repeated_rows_have_what_is_set_and_stand_behind_the_others(delivery: Path) -> None:
    each = fault(action="repeat", set={"no": "'T' || no"}, unit="rows")
    assert inject(each, 7, 1, delivery) == 7
    after = rows(delivery / "results_0.csv")
    assert len(after) == ROWS + 7
    again = [row for row in after if str(row[0]).startswith("T")]
    assert {(str(row[0])[1:], *row[1:]) for row in again} <= set(after)
    assert len(again) == 7


def test_all_rows_of_a_drawn_person_go_from_every_table(delivery: Path) -> None:
    each = fault(action="remove", tables=("patients", "results"), of="patient")
    assert inject(each, 0.3, 1, delivery) == 6 + 60
    left = {row[1] for row in rows(delivery / "results_0.csv")}
    assert left == {row[0] for row in rows(delivery / "patients.csv")}
    assert len(left) == 14


def test_an_order_says_what_is_hit_first(delivery: Path) -> None:
    each = fault(action="remove", order="-value::double", unit="rows")
    inject(each, 10, 1, delivery)
    assert [row[0] for row in rows(delivery / "results_0.csv")] == [
        f"R{number}" for number in range(190)
    ]


def test_the_seed_alone_decides_what_is_hit(delivery: Path) -> None:
    file = delivery / "results_0.csv"
    before = file.read_bytes()
    found = []
    for seed in (1, 1, 2):
        file.unlink()
        file.write_bytes(before)
        inject(fault(set={"value": "null"}), 0.2, seed, delivery)
        found.append(file.read_bytes())
    assert found[0] == found[1] != found[2]


def test_what_is_done_to_lines_columns_and_files_is_done_to_as_many(delivery: Path) -> None:
    lines = fault(lines=True, among="n_ > 1", set={"line": "line || ',x'"}, unit="rows")
    assert inject(lines, 3, 1, delivery) == 3
    text = (delivery / "results_0.csv").read_text().splitlines()
    assert [line.endswith(",x") for line in text].count(True) == 3
    assert not text[0].endswith(",x")
    columns = fault(tables=("table",), action="lose_columns", set={"unit": "", "value": ""})
    assert inject(columns, 1, 1, delivery) == 1
    assert [len(row) for row in rows(delivery / "table_7.parquet")] == [3] * ROWS
    size = (delivery / "Result_0.ndjson").stat().st_size
    inject(fault(tables=("Result",), action="cut"), 0.25, 1, delivery)
    assert (delivery / "Result_0.ndjson").stat().st_size == round(size * 0.75)
    assert inject(fault(tables=("patients",), action="remove_file"), 1, 1, delivery) == 1
    assert not (delivery / "patients.csv").exists()


def test_a_file_is_written_in_the_encoding_that_is_asked_for(delivery: Path) -> None:
    each = fault(set={"unit": "'서울'"}, encoding="cp949", unit="rows")
    inject(each, 2, 1, delivery)
    assert (delivery / "results_0.csv").read_bytes().count("서울".encode("cp949")) == 2


def test_the_file_that_was_linked_to_stays_as_it_was(delivery: Path) -> None:
    file = delivery / "results_0.csv"
    other = delivery / "kept"
    other.hardlink_to(file)
    before = other.read_bytes()
    inject(fault(set={"value": "null"}), 0.5, 1, delivery)
    assert other.read_bytes() == before != file.read_bytes()


def test_a_fault_that_hits_nothing_or_no_file_says_so(delivery: Path) -> None:
    with pytest.raises(FaultError, match="no row of results can be hit"):
        inject(fault(among="false", set={"value": "null"}), 0.5, 1, delivery)
    with pytest.raises(FaultError, match="0 files of nothing"):
        inject(fault(tables=("nothing",)), 0.5, 1, delivery)
    with pytest.raises(FaultError, match=r"results_0.csv: .*no_such"):
        inject(fault(set={"value": "no_such"}), 0.5, 1, delivery)
