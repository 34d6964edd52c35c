"""What is wrong in a database: a bad value costs its row, what would lose rows refuses the pull."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import adbc_driver_postgresql.dbapi as postgres
import pytest

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import clear, discover, fetch, pull, read
from pumasi.extract.accounts import TableCount
from tests.extract.connectors.postgres import OWNER_PASSWORD, READER_PASSWORD, Server
from tests.extract.connectors.test_database import (
    MARKED,
    VARIABLE,
    backdate,
    config_of,
    refusal,
    take_in_landed,
)
from tests.extract.extracts import HOSPITAL, OMOP, rows_of

CONDITIONS = "tiny.condition_occurrence"
LABS = "tiny.lab_results"
NAME = "Kim Minji"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, READER_PASSWORD)


def taken_in(
    server: Server, paths: SitePaths, *statements: str, form: str = "omop_cdm", **more: Any
) -> dict[str, TableCount]:
    """What is counted of a schema with that format's tables, to which the statements were done."""
    values = more.pop("values", {})
    server.load("tiny", HOSPITAL if form == "hospital_csv" else OMOP)
    server.ask(*statements, "grant select on all tables in schema tiny to reader")
    config = config_of(server, form, **more).model_copy(update={"values": values})
    fetch(config, paths)
    (delivery,) = discover(config, paths)
    manifest = pull(config, delivery, paths)
    report = read(config, manifest, delivery, paths)
    clear(paths, delivery, manifest.delivery_id)
    return report.tables


def rows(paths: SitePaths, table: str, columns: str) -> list[Any]:
    return rows_of(paths.raw / "*" / f"{table}.parquet", columns)


def quarantined(paths: SitePaths) -> list[Any]:
    """The reasons; rows of a table in a database have no order of their own."""
    places = rows_of(paths.quarantine / "*.parquet", "source_table, file, byte_offset, reason")
    assert all(file == f"{table}.parquet" and at is None for table, file, at, _ in places)
    return sorted((table, reason) for table, _, _, reason in places)


# Statement on a table of four conditions or two results, and the reason for what it spoils.
BAD_ROWS: list[tuple[str, str, str, int]] = [
    ("omop_cdm", f"update {CONDITIONS} set person_id = null", "person_id is missing", 4),
    (
        "omop_cdm",
        f"update {CONDITIONS} set condition_start_date = null where person_id = 101",
        "condition_start_date is missing",
        1,
    ),
    (
        "omop_cdm",
        f"update {CONDITIONS} set condition_start_date = '-infinity' where person_id = 103",
        "condition_start_date is not a date",
        2,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_start_date type timestamp using 'infinity'",
        "condition_start_date is not a date",
        4,
    ),
    (
        "omop_cdm",
        f"update {CONDITIONS} set condition_start_date = '12345-01-01' where person_id = 101",
        "condition_start_date is not a date",
        1,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_start_date type text using '04.03.2016'",
        "condition_start_date is not a date",
        4,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_concept_id type text using '{NAME}'",
        "condition_concept_id is not an integer",
        4,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_concept_id type numeric using 317009.5",
        "condition_concept_id is not an integer",
        4,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_concept_id type float8 using 'NaN'",
        "condition_concept_id is missing",
        4,
    ),
    (
        "omop_cdm",
        f"alter table {CONDITIONS} alter condition_concept_id type boolean using true",
        "condition_concept_id is not an integer",
        4,
    ),
    ("hospital_csv", f"update {LABS} set patient_no = null", "patient_no is missing", 2),
    (
        "hospital_csv",
        f"alter table {LABS} alter lab_code type text[] using array['{NAME}', lab_code]",
        "lab_code is not an admitted code",
        2,
    ),
]


@pytest.mark.parametrize(("form", "statement", "reason", "count"), BAD_ROWS)
def test_a_row_without_what_it_needs_is_quarantined(
    server: Server, paths: SitePaths, form: str, statement: str, reason: str, count: int
) -> None:
    table = "lab_results" if form == "hospital_csv" else "condition_occurrence"
    found = taken_in(server, paths, statement, form=form)[table]
    assert quarantined(paths) == [(table, reason)] * count
    assert (found.rows_in, found.rows_quarantined) == (found.rows_read + count, count)
    assert found.rows_in == {"lab_results": 2, "condition_occurrence": 4}[table]


def test_an_instant_that_is_infinite_is_no_day(server: Server, paths: SitePaths) -> None:
    tables = taken_in(
        server,
        paths,
        f"alter table {CONDITIONS} alter condition_start_date type timestamptz",
        f"update {CONDITIONS} set condition_start_date = 'infinity' where person_id = 101",
        timezone="Asia/Seoul",
    )
    assert tables["condition_occurrence"].rows_read == 3
    reason = "condition_start_date is not a date"
    assert quarantined(paths) == [("condition_occurrence", reason)]


@pytest.mark.parametrize("kind", ["numeric", "double precision", "real"])
@pytest.mark.parametrize(("value", "nulled"), [("NaN", 0), ("Infinity", 1), ("-Infinity", 1)])
def test_a_number_that_is_none_is_null(
    server: Server, paths: SitePaths, kind: str, value: str, nulled: int
) -> None:
    tables = taken_in(
        server,
        paths,
        f"alter table {LABS} alter value_number type {kind} using '{value}'",
        form="hospital_csv",
    )
    assert rows(paths, "lab_results", "value_number") == [(None,)] * 2
    # The word `uncertain` of the other result is in no value map.
    assert tables["lab_results"].values_nulled == 2 * nulled + 1


@pytest.mark.parametrize(
    "text",
    ['"', 'a "b", c', "two\nlines", "two\r\nlines", "\\N;|\t", "\\x00", "\x01\x1f\x7f", "양성"],
)
def test_any_text_is_one_text(server: Server, paths: SitePaths, text: str) -> None:
    quoted = text.replace("'", "''")
    taken_in(
        server,
        paths,
        f"alter table {LABS} alter value_text type text using '{quoted}'",
        form="hospital_csv",
        values={"lab_results.value_text": [text]},
    )
    assert rows(paths, "lab_results", "value_text") == [(text,)] * 2


def test_an_optional_value_of_another_type_is_nulled_and_counted(
    server: Server, paths: SitePaths
) -> None:
    tables = taken_in(
        server,
        paths,
        f"update {CONDITIONS} set condition_end_date = 'infinity'",
        f"alter table {CONDITIONS} alter condition_source_value type jsonb using '[1, 2]'",
        f"alter table {CONDITIONS} alter condition_type_concept_id type interval using '1 day'",
    )
    columns = "condition_end_date, condition_source_value, condition_type_concept_id"
    assert rows(paths, "condition_occurrence", columns) == [(None, None, None)] * 4
    assert tables["condition_occurrence"].values_nulled == 12


def test_a_full_delivery_without_persons_is_not_landed_and_not_in_the_way(
    server: Server, paths: SitePaths
) -> None:
    """Row security shows a user no row and no error."""
    server.load("tiny", OMOP)
    server.ask("alter table tiny.person enable row level security")
    config = config_of(server)
    assert refusal(config, paths) == (
        "site tiny: the source has no rows of person: an empty extract is refused, because in a "
        "full delivery it would delete everybody. Nothing was landed; ask the source, and whether "
        "this user or token may see them"
    )
    server.ask("alter table tiny.person disable row level security")
    landed = fetch(config, paths)
    assert landed is not None
    assert landed.rows["person"] == 3


def test_an_empty_table_of_events_is_a_table(server: Server, paths: SitePaths) -> None:
    tables = taken_in(server, paths, f"delete from {CONDITIONS}")
    assert (tables["person"].rows_read, tables["condition_occurrence"].rows_in) == (3, 0)


def test_no_person_that_can_be_read_refuses_the_delivery(server: Server, paths: SitePaths) -> None:
    spoil = "alter table tiny.person alter year_of_birth type text using 'old'"
    with pytest.raises(DeliveryError) as raised:
        taken_in(server, paths, spoil)
    assert "no row of person could be read (the first: line 1 of person.parquet" in str(
        raised.value
    )
    assert not paths.raw.exists()


def test_two_tables_whose_names_differ_by_case_are_not_confused(
    server: Server, paths: SitePaths
) -> None:
    """The columns of both would be taken for those of one, and its rows for all."""
    server.load("tiny", OMOP)
    server.ask(
        'create table tiny."Person" as select * from tiny.person limit 1',
        "grant select on all tables in schema tiny to reader",
    )
    assert refusal(config_of(server), paths) == (
        "site tiny: schema tiny has the tables Person and person; which of them is person is not "
        "guessed. Say it in `names` of [source.database] of network/tiny.toml, or rename one. "
        "Nothing was fetched"
    )
    landed = fetch(config_of(server, names={"person": "person"}), paths)
    assert landed is not None
    assert landed.rows["person"] == 3


def test_two_columns_whose_names_differ_by_case_are_refused(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    server.ask('alter table tiny.person add "PERSON_ID" int')
    said = refusal(config_of(server), paths)
    assert said.startswith("tiny.person: column `person_id` is there twice; nothing of this")


FAILING = """
create view tiny.death as select 101 as person_id, date '2020-01-01' as death_date,
    null::int as death_type_concept_id, null::int as cause_source_concept_id,
    {value} as cause_concept_id from tiny.condition_occurrence as c
"""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"(stop_reason || '{NAME}')::int", "it ended the query with an error of its own; does a"),
        ("1 / (condition_occurrence_id - 13)", "it ended the query with an error of its own; does"),
        ("pg_sleep(5)::text", "the query was cancelled; raise its statement_timeout, then run"),
        ("pg_terminate_backend(pg_backend_pid())", "it was shut down; run again when it is back"),
    ],
)
def test_a_query_that_fails_within_a_table_is_told_without_a_value(
    server: Server, paths: SitePaths, value: str, words: str
) -> None:
    server.load("tiny", OMOP)
    server.ask(
        FAILING.format(value=value),
        "grant select on all tables in schema tiny to reader",
        "alter role reader set statement_timeout = '1s'",
    )
    try:
        said = refusal(config_of(server), paths)
    finally:
        server.ask("alter role reader reset statement_timeout")
    assert words in said
    assert said.endswith("It happened within the table death; nothing was fetched")
    assert NAME not in said
    assert "got better" not in said


@contextmanager
def another_database(server: Server, encoding: str, text: str) -> Iterator[str]:
    """A database of that encoding whose schema `tiny` has one patient and one result; its url."""
    server.ask(
        "drop database if exists korean",
        f"create database korean encoding '{encoding}' locale 'C' template template0",
    )
    url = f"postgresql://owner:{OWNER_PASSWORD}@127.0.0.1:{server.port}/korean"
    with postgres.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in (
            "create schema tiny",
            "create table tiny.patients as select '1' as patient_no, 'F' as sex, "
            "'19800101' as birth_date, null as death_date",
            "create table tiny.lab_results as select 'R1' as result_no, '1' as patient_no, "
            "'E1' as encounter_no, 'X' as lab_code, '20190102' as specimen_date, "
            "'2019-01-02 10:00' as reported_datetime, 1.0::float8 as value_number, "
            f"{text} as value_text, null as unit",
            "grant usage on schema tiny to reader",
            "grant select on all tables in schema tiny to reader",
        ):
            cursor.execute(statement)
    try:
        yield server.url.replace("/postgres", "/korean")
    finally:
        server.ask("drop database korean with (force)")


KOREAN = {"lab_results.value_text": ["양성"]}


def test_a_database_in_another_encoding_gives_its_text(server: Server, paths: SitePaths) -> None:
    text = "convert_from('\\xbee7bcba'::bytea, 'EUC_KR')"
    with another_database(server, "EUC_KR", text) as url:
        config = config_of(server, "hospital_csv", url=url).model_copy(update={"values": KOREAN})
        fetch(config, paths)
        (delivery,) = discover(config, paths)
        read(config, pull(config, delivery, paths), delivery, paths)
    assert rows(paths, "lab_results", "value_text") == [("양성",)]


def test_text_of_no_encoding_is_told_and_not_guessed(server: Server, paths: SitePaths) -> None:
    with another_database(server, "SQL_ASCII", "E'\\xbe\\xe7\\xbc\\xba'") as url:
        said = refusal(config_of(server, "hospital_csv", url=url), paths)
    assert "it has text that is none in its encoding, as a database of SQL_ASCII can have" in said
    assert said.endswith("It happened within the table lab_results; nothing was fetched")


def test_a_full_disk_lands_nothing_and_a_later_run_all(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    server.ask(
        "update tiny.condition_occurrence set condition_source_value = null",
        "alter table tiny.condition_occurrence alter condition_source_value type text using "
        "md5(condition_occurrence_id::text)",
        "insert into tiny.condition_occurrence (condition_occurrence_id, person_id, "
        "condition_concept_id, condition_start_date, condition_source_value) "
        "select g, 101, 1, '2020-01-01', md5(g::text) from generate_series(100, 20000) as g",
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        said = refusal(config_of(server), paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "site tiny: fetching: the disk is full or can't be written; free space and run" in said
    assert discover(config_of(server), paths) == []
    landed = fetch(config_of(server), paths)
    assert landed is not None
    assert landed.rows["condition_occurrence"] == 19905


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("far", ["infinity", "9999-12-31"])
def test_a_watermark_that_never_comes_ends_no_later_pull(
    server: Server, paths: SitePaths, kind: str, far: str
) -> None:
    """All that changes later lies below it; the row itself comes each time."""
    server.load("tiny", OMOP)
    server.ask(
        f"alter table tiny.person alter updated_at type {kind}",
        f"update tiny.person set updated_at = '{far}' where person_id = 101",
    )
    config = config_of(server, **MARKED, overlap_minutes=0)
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths)
    assert fetch(config, paths) is None
    server.ask("update tiny.person set updated_at = '2024-06-02' where person_id = 102")
    landed = fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"person": 2, "observation_period": 0, "condition_occurrence": 0}
