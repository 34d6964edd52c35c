"""What is pulled from a PostgreSQL is what its files would have been, or nothing and a reason."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pumasi.config import SiteConfig, SitePaths, project_root
from pumasi.errors import ConfigError, DeliveryError, PumasiError
from pumasi.extract import clear, discover, fetch, preview, pull, read, read_as, read_vocabulary
from pumasi.withdrawal import withdraw
from tests.extract.connectors.postgres import OWNER_PASSWORD, READER_PASSWORD, Server
from tests.extract.extracts import (
    CONDITIONS,
    HOSPITAL,
    OMOP,
    PERIODS,
    PERSONS,
    SYNTHEA,
    content_of,
    place_key,
    take_in_files,
)

VARIABLE = "TINY_DATABASE_PASSWORD"
VOCABULARY = {
    "concept.csv": "concept_id,concept_name,domain_id,vocabulary_id,concept_code\n"
    "317009,Asthma,Condition,SNOMED,195967001\n8507,MALE,Gender,Gender,M\n",
    "concept_relationship.csv": "concept_id_1,concept_id_2,relationship_id\n"
    "317009,317009,Maps to\n",
    "vocabulary.csv": "vocabulary_id,vocabulary_name,vocabulary_reference,vocabulary_version,"
    "vocabulary_concept_id\nNone,OMOP,x,v5,44819096\n",
}
MARKED = {"kind": "incremental", "watermark": "updated_at"}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, READER_PASSWORD)


def config_of(server: Server, form: str = "omop_cdm", **more: Any) -> SiteConfig:
    """A site whose tables lie in the schema `tiny`; `more` of [source.database] and [source]."""
    source: dict[str, Any] = {"connector": "database", "url": server.url}
    for name in ("url", "kind", "as_of"):
        if name in more:
            source[name] = more.pop(name)
    source["database"] = {"schema_name": "tiny", "password_env": VARIABLE} | more
    return SiteConfig.model_validate(
        {"id": "tiny", "name": "Tiny", "format": form, "source": source}
    )


def take_in_landed(config: SiteConfig, paths: SitePaths) -> list[str]:
    """Pull, read and clear what was landed; the ids."""
    ids = []
    for delivery in discover(config, paths):
        manifest = pull(config, delivery, paths)
        read(config, manifest, delivery, paths)
        clear(paths, delivery, manifest.delivery_id)
        ids.append(manifest.delivery_id)
    return ids


def today(server: Server) -> date:
    found: date = server.ask("select current_date")[0][0]
    return found


def backdate(paths: SitePaths, days: int = 1) -> None:
    """Make the deliveries that were taken in earlier ones, as if time had passed."""
    for receipt in sorted((paths.landing / "receipts").glob("*.json")):
        earlier = str(date.fromisoformat(receipt.stem) - timedelta(days=days))
        text = receipt.read_text().replace(receipt.stem, earlier)
        receipt.unlink()
        receipt.with_stem(earlier).write_text(text)


@pytest.mark.parametrize("form", ["omop_cdm", "synthea_csv", "hospital_csv"])
def test_a_full_pull_gives_the_rows_of_the_files(
    server: Server, paths: SitePaths, tmp_path: Path, form: str
) -> None:
    files = {"omop_cdm": OMOP, "synthea_csv": SYNTHEA, "hospital_csv": HOSPITAL}[form]
    server.load("tiny", files)
    for table, column in (("patients", "BIRTHDATE"), ("patients", "DEATHDATE")):
        if form == "synthea_csv":
            server.ask(f'alter table tiny.{table} alter "{column}" type date')
    more = {"timezone": "UTC"} if form == "synthea_csv" else {}
    config = config_of(server, form, **more)
    landed = fetch(config, paths)
    assert landed is not None
    assert (landed.kind, landed.name) == ("full", str(today(server)))
    assert sum(landed.rows.values()) == {"omop_cdm": 10, "synthea_csv": 5, "hospital_csv": 9}[form]
    (delivery,) = discover(config, paths)
    assert delivery.as_of == today(server)
    assert delivery.extracted_through == today(server) - timedelta(days=1)
    (identity,) = take_in_landed(config, paths)
    by_folder = take_in_files(tmp_path, files, form)
    assert content_of(paths.raw / identity) == by_folder.content()


def test_only_columns_of_the_contract_are_selected(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    fetch(config_of(server), paths)
    (folder,) = (paths.landing / "deliveries").iterdir()
    persons = pq.read_schema(folder / "person.parquet").names
    assert "gender_concept_id" in persons
    assert not {"person_source_value", "updated_at"} & set(persons)
    assert "stop_reason" not in pq.read_schema(folder / "condition_occurrence.parquet").names


def test_a_column_that_may_not_be_read_is_no_matter_if_no_contract_names_it(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    columns = (
        "person_id, gender_concept_id, year_of_birth, month_of_birth, race_concept_id, "
        "ethnicity_concept_id, gender_source_value, race_source_value, ethnicity_source_value"
    )
    server.ask(
        "revoke select on tiny.person from reader",
        f"grant select ({columns}) on tiny.person to reader",
    )
    landed = fetch(config_of(server), paths)
    assert landed is not None
    assert landed.rows["person"] == 3
    server.ask("revoke select (month_of_birth) on tiny.person from reader")
    assert "may not read column `month_of_birth` of tiny.person" in refusal(
        config_of(server), fresh(paths)
    )


def test_what_landed_is_private_and_gone_when_it_was_read(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    config = config_of(server)
    fetch(config, paths)
    (delivery,) = discover(config, paths)
    key = delivery.key
    (folder,) = (paths.landing / "deliveries").iterdir()
    assert [each.stat().st_mode & 0o777 for each in (paths.landing, folder)] == [0o700, 0o700]
    assert read_as(paths, key) is None
    (identity,) = take_in_landed(config, paths)
    assert read_as(paths, key) == identity
    assert not list(paths.landing.rglob("*.parquet"))
    assert discover(config, paths) == []


def test_a_watermark_pull_brings_what_changed_and_no_more(
    server: Server, paths: SitePaths, tmp_path: Path
) -> None:
    server.load("tiny", OMOP)
    config = config_of(server, **MARKED, overlap_minutes=0)
    first = fetch(config, paths)
    assert first is not None
    assert (first.kind, first.after) == ("full", None)
    take_in_landed(config, paths)
    backdate(paths)
    assert fetch(config, paths) is None
    assert preview(config, paths) == ("incremental", {})
    server.ask(
        "update tiny.condition_occurrence set condition_concept_id = 255573, "
        "updated_at = '2024-06-05' where condition_occurrence_id = 12",
        "insert into tiny.condition_occurrence values "
        "(15, 101, 317009, '2019-01-02', null, 32020, null, null, '195967001', '2024-06-06')",
        "insert into tiny.condition_occurrence (condition_occurrence_id, person_id, "
        "condition_concept_id, condition_start_date, updated_at) "
        "values (16, 102, 317009, '2019-01-03', null)",
    )
    expected = {"person": 0, "observation_period": 0, "condition_occurrence": 3}
    assert preview(config, paths) == ("incremental", expected)
    second = fetch(config, paths)
    assert second is not None
    assert (second.kind, second.after) == ("incremental", str(today(server) - timedelta(days=1)))
    assert second.rows == expected
    (identity,) = take_in_landed(config, paths)
    changed = CONDITIONS.splitlines()[0] + (
        "\n12,102,255573,2016-03-04,,32020,got better,502,74474003"
        "\n15,101,317009,2019-01-02,,32020,,,195967001"
        "\n16,102,317009,2019-01-03,,,,,\n"
    )
    nothing = {"person.csv": PERSONS, "observation_period.csv": PERIODS}
    by_folder = take_in_files(tmp_path, {"condition_occurrence.csv": changed, **nothing})
    assert (
        content_of(paths.raw / identity)["condition_occurrence"]
        == by_folder.content()["condition_occurrence"]
    )


def test_what_was_committed_late_comes_with_the_next_delivery(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP, stamp="2024-06-01 12:00:00")
    config = config_of(server, **MARKED, overlap_minutes=30)
    server.ask("update tiny.person set updated_at = '2024-06-01 09:00:00'")
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths)
    insert = (
        "insert into tiny.condition_occurrence (condition_occurrence_id, person_id, "
        "condition_concept_id, condition_start_date, updated_at) values "
    )
    server.ask(
        f"{insert} (21, 101, 317009, '2019-01-02', '2024-06-01 11:31:00')",  # within the overlap
        f"{insert} (22, 101, 317009, '2019-01-02', '2024-06-01 11:29:00')",
        f"{insert} (23, 101, 317009, '2019-01-02', '2024-06-01 12:05:00')",
    )
    second = fetch(config, paths)
    assert second is not None
    assert second.rows == {"person": 3, "observation_period": 3, "condition_occurrence": 6}


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("date", "2024-06-01", "2024-06-05"), ("bigint", "1", "7"),
     ("timestamptz", "2024-06-01 00:00+00", "2024-06-05 00:00+00")],
)  # fmt: skip
def test_a_watermark_may_be_a_day_a_number_or_an_instant(
    server: Server, paths: SitePaths, kind: str, first: str, second: str
) -> None:
    server.load("tiny", OMOP)
    for table in ("person", "observation_period", "condition_occurrence"):
        server.ask(f"alter table tiny.{table} add changed {kind} default '{first}'")
    marked = {"kind": "incremental", "watermark": "changed", "overlap_minutes": 0}
    config = config_of(server, **marked)
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths)
    server.ask(f"update tiny.person set changed = '{second}' where person_id = 102")
    landed = fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"person": 1, "observation_period": 0, "condition_occurrence": 0}


def test_a_small_table_without_a_watermark_comes_wholly_and_another_column_may_be_named(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    server.ask(
        "alter table tiny.observation_period drop updated_at",
        "alter table tiny.person rename updated_at to loaded_at",
    )
    said = refusal(config_of(server, **MARKED), paths)
    assert "tiny.person has no column `updated_at`, its watermark" in said
    assert "`watermarks` of [source.database] of network/tiny.toml" in said
    more = {"watermarks": {"person": "loaded_at"}, "whole": ["observation_period"]}
    config = config_of(server, **MARKED, **more, overlap_minutes=0)
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths)
    server.ask("update tiny.person set loaded_at = '2024-06-02' where person_id = 101")
    landed = fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"person": 1, "observation_period": 3, "condition_occurrence": 0}


def test_everything_can_be_asked_for_and_two_of_one_day_cannot(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    config = config_of(server, **MARKED)
    fetch(config, paths)
    take_in_landed(config, paths)
    said: list[str] = []
    assert fetch(config, paths, full=True, progress=said.append) is None
    assert said == [
        f"a delivery as of {today(server)} is there; what changed since comes with the next day's"
    ]
    backdate(paths, -1)
    with pytest.raises(DeliveryError, match="is the source's clock right"):
        fetch(config, paths, full=True)
    backdate(paths)
    backdate(paths)
    server.ask("delete from tiny.condition_occurrence where condition_occurrence_id = 14")
    landed = fetch(config, paths, full=True)
    assert landed is not None
    assert (landed.kind, landed.after, landed.rows["condition_occurrence"]) == ("full", None, 3)


def test_who_removes_a_delivery_gets_its_rows_again(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    config = config_of(server, **MARKED, overlap_minutes=0)
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths, 2)
    server.ask("update tiny.person set updated_at = '2024-06-02' where person_id = 101")
    fetch(config, paths)
    (second,) = take_in_landed(config, paths)
    backdate(paths)
    server.ask("update tiny.person set updated_at = '2024-06-03' where person_id = 102")
    for file in (paths.raw / second).iterdir():
        file.unlink()
    (paths.raw / second).rmdir()
    third = fetch(config, paths)
    assert third is not None
    assert third.rows["person"] == 2


def test_unchanged_content_is_the_same_delivery(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    config = config_of(server)
    fetch(config, paths)
    first = take_in_landed(config, paths)
    backdate(paths)
    fetch(config, paths)
    assert take_in_landed(config, paths) == first
    assert len(list(paths.raw.iterdir())) == 1


def test_a_day_that_the_configuration_states_is_fetched_once(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    config = config_of(server, as_of=date(2024, 6, 30))
    landed = fetch(config, paths)
    assert landed is not None
    assert landed.name == "2024-06-30"
    (delivery,) = discover(config, paths)
    assert pull(config, delivery, paths).as_of == date(2024, 6, 30)
    assert fetch(config, paths) is None
    assert preview(config, paths) == ("full", {})


def test_numbers_and_words_of_other_types_are_read_as_what_they_say(
    server: Server, paths: SitePaths, tmp_path: Path
) -> None:
    server.load("tiny", OMOP)
    server.ask(
        "alter table tiny.person alter person_id type numeric(38)",
        "alter table tiny.person alter gender_source_value type char(5)",
        "alter table tiny.condition_occurrence alter condition_source_value type varchar(50)",
        'alter table tiny.condition_occurrence rename person_id to "PERSON_ID"',
        'alter table tiny.condition_occurrence rename to "Conditions"',
        "create materialized view tiny.periods as select * from tiny.observation_period",
        "drop table tiny.observation_period cascade",
    )
    server.ask(
        "create table tiny.stored as select * from (values "
        "(1, 101, date '2010-01-01', date '2020-12-31', 44814724), "
        "(2, 102, '2011-01-01', '2021-12-31', 44814724), "
        "(3, 103, '2012-01-01', '2022-12-31', 44814724)) as v(observation_period_id, person_id, "
        "observation_period_start_date, observation_period_end_date, period_type_concept_id)",
        "create view tiny.periods as select * from tiny.stored",
        "grant select on all tables in schema tiny to reader",
    )
    names = {"condition_occurrence": "conditions", "observation_period": "periods"}
    fetch(config_of(server, names=names), paths)
    (identity,) = take_in_landed(config_of(server), paths)
    assert content_of(paths.raw / identity) == take_in_files(tmp_path, OMOP).content()


def test_all_tables_are_of_one_moment(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    written = []

    def write(message: str) -> None:
        """After the first table, somebody commits a row to it and to one that comes later."""
        if not written:
            written.append(message)
            server.ask(
                "insert into tiny.person (person_id, gender_concept_id, year_of_birth) "
                "values (104, 8507, 1980)",
                "insert into tiny.condition_occurrence (condition_occurrence_id, person_id, "
                "condition_concept_id, condition_start_date) values (15, 104, 1, '2020-01-01')",
            )

    landed = fetch(config_of(server), paths, progress=write)
    assert landed is not None
    assert written == ["person: 3 rows"]
    assert landed.rows == {"person": 3, "observation_period": 3, "condition_occurrence": 4}
    assert preview(config_of(server), fresh(paths))[1]["condition_occurrence"] == 5


def test_the_vocabulary_of_the_schema_is_kept_and_fetched_again_only_if_it_changed(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP | VOCABULARY)
    config = config_of(server)
    said: list[str] = []
    fetch(config, paths, progress=said.append)
    take_in_landed(config, paths)
    assert read_vocabulary(config, discover(config, paths), paths)["concept"] == 2
    assert "concept: 2 rows" in said
    backdate(paths)
    said.clear()
    fetch(config, paths, progress=said.append)
    assert "concept: 2 rows" not in said
    take_in_landed(config, paths)
    backdate(paths)
    server.ask("update tiny.vocabulary set vocabulary_version = 'v6'")
    fetch(config, paths, progress=said.append)
    assert "concept: 2 rows" in said


def test_who_withdrew_is_in_no_delivery_that_waits(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    config = config_of(server, **MARKED, overlap_minutes=0)
    fetch(config, paths)
    take_in_landed(config, paths)
    backdate(paths)
    server.ask("update tiny.person set updated_at = '2024-06-02' where person_id in (101, 102)")
    waiting = fetch(config, paths)
    withdraw(config, ["101"], paths, datetime(2024, 7, 1, tzinfo=UTC))
    assert discover(config, paths) == []
    assert not list(paths.landing.rglob("*.parquet"))
    again = fetch(config, paths)
    assert again == waiting
    (identity,) = take_in_landed(config, paths)
    assert len(pq.read_table(paths.raw / identity / "person.parquet")) == 1


def refusal(config: SiteConfig, paths: SitePaths) -> str:
    """Why fetching is refused; no message holds a password, and nothing is landed."""
    before = [each.name for each in (paths.landing / "deliveries").glob("*")]
    with pytest.raises(PumasiError) as raised:
        fetch(config, paths)
    said = str(raised.value)
    assert isinstance(raised.value, DeliveryError | ConfigError)
    assert not any(each in said for each in (READER_PASSWORD, OWNER_PASSWORD, "p%40ss", "w:rd"))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert [each.name for each in (paths.landing / "deliveries").glob("*")] == before
    return said


def fresh(paths: SitePaths) -> SitePaths:
    """Another home for the same hospital."""
    return SitePaths.of("tiny", paths.root.parent / "another")


def test_a_wrong_password_is_said_without_any(
    server: Server, paths: SitePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.load("tiny", OMOP)
    monkeypatch.setenv(VARIABLE, READER_PASSWORD[:-1])
    assert refusal(config_of(server), paths) == (
        f"site tiny: the database postgres on 127.0.0.1:{server.port}: user or password are wrong; "
        "see [source.database] of network/tiny.toml. Nothing was fetched"
    )
    monkeypatch.delenv(VARIABLE)
    assert f"the variable {VARIABLE} is not set" in refusal(config_of(server), paths)


def test_a_password_file_must_be_the_owners_alone(
    server: Server, paths: SitePaths, tmp_path: Path
) -> None:
    server.load("tiny", OMOP)
    file = tmp_path / "password"
    config = config_of(server, password_file=str(file), password_env=None)
    assert f"{file} can't be read (FileNotFoundError)" in refusal(config, paths)
    file.write_text(READER_PASSWORD + "\n")
    file.chmod(0o644)
    assert f"{file} can be read by others; `chmod 600` it" in refusal(config, paths)
    file.chmod(0o600)
    assert fetch(config, paths) is not None


def test_a_source_that_is_not_as_configured_is_named_with_the_remedy(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"schema_name": "none"}, "schema none: there is none, it has no table, or its user may"),
        ({"names": {"death": "deaths"}}, "has no table deaths, or its user may not see it; say"),
        ({"names": {"deth": "deaths"}}, "names the table deth, which omop_cdm doesn't have; it"),
        ({"timezone": "Asia/Nowhere"}, "it doesn't know the `timezone` of the configuration"),
        ({"url": f"{server.url}_"}, "there is no such database or user; mend source.url"),
    ]  # fmt: skip
    for more, words in cases:
        assert words in refusal(config_of(server, **more), paths)


def test_a_missing_table_column_or_right_is_named(server: Server, paths: SitePaths) -> None:
    config = config_of(server)
    server.load("tiny", OMOP)
    server.ask("alter table tiny.condition_occurrence rename visit_occurrence_id to visit_id")
    said = refusal(config, paths)
    assert "column `visit_occurrence_id` of table condition_occurrence is missing" in said
    assert "(renamed to `visit_id`?)" in said
    server.load("tiny", OMOP)
    server.ask("drop table tiny.person")
    assert "schema tiny has no table person, or its user may not see it" in refusal(config, paths)
    server.load("tiny", OMOP)
    server.ask("revoke select on tiny.person from reader")
    assert "may not read column" in refusal(config, paths)
    server.load("tiny", OMOP)
    server.ask("revoke usage on schema tiny from reader")
    assert "may not read a table or the schema; grant usage" in refusal(config, paths)
    server.load("tiny", OMOP)
    server.ask("alter table tiny.condition_occurrence alter condition_start_date type timestamptz")
    said = refusal(config, paths)
    assert "`condition_start_date` of table condition_occurrence is a time with time zone" in said
    assert "or say `timezone`, that of the hospital, in [source.database]" in said
    assert fetch(config_of(server, timezone="Asia/Seoul"), paths) is not None


def test_an_instant_is_the_day_it_was_in_the_hospital(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    server.ask(
        "alter table tiny.condition_occurrence alter condition_start_date type timestamptz "
        "using '2024-05-31 20:00:00+00'"
    )
    config = config_of(server, timezone="Asia/Seoul")
    fetch(config, paths)
    (folder,) = (paths.landing / "deliveries").iterdir()
    found = pq.read_table(folder / "condition_occurrence.parquet", columns=["condition_start_date"])
    assert {str(each) for each in found["condition_start_date"].to_pylist()} == {
        "2024-06-01 05:00:00"
    }


def test_a_server_that_is_down_or_goes_down_loses_nothing(server: Server, paths: SitePaths) -> None:
    server.load("tiny", OMOP)
    server.ask(
        "create table tiny.measurement as select g as measurement_id, 101 as person_id, "
        "1 as measurement_concept_id, date '2020-01-01' as measurement_date, "
        "1.5::float8 as value_as_number, 0 as value_as_concept_id, 0 as unit_concept_id, "
        "null::int as visit_occurrence_id, repeat('x', 40) as measurement_source_value, "
        "'mg' as unit_source_value, 'v' as value_source_value, 0 as measurement_source_concept_id "
        "from generate_series(1, 1500000) as g",
        "grant select on tiny.measurement to reader",
    )
    config = config_of(server)

    def stop(message: str) -> None:
        if message.endswith("rows so far"):
            server.stop(signal.SIGQUIT)

    try:
        with pytest.raises(DeliveryError) as raised:
            fetch(config, paths, progress=stop)
        assert str(raised.value).startswith(
            f"site tiny: the database postgres on 127.0.0.1:{server.port}: "
        )
        assert "run again" in str(raised.value)
        assert discover(config, paths) == []
        assert "nobody answers there; does it run" in refusal(config, paths)
    finally:
        server.start()
    server.ask("drop table tiny.measurement")
    assert fetch(config, paths) is not None


# Fetches a delivery and says where it is; a line on stdin lets it go on from there.
PROGRAM = """
import sys
from pathlib import Path
from pumasi.config import SiteConfig, SitePaths
from pumasi.extract import fetch

def say(message):
    print(message, flush=True)
    sys.stdin.readline()

config = SiteConfig.model_validate_json(sys.argv[1])
fetch(config, SitePaths.of("tiny", Path(sys.argv[2])), progress=say)
"""


def start(config: SiteConfig, paths: SitePaths) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, config.model_dump_json(), str(paths.root.parents[1])],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_fetch_that_was_killed_is_run_again_and_gives_the_same_delivery(
    server: Server, paths: SitePaths
) -> None:
    server.load("tiny", OMOP)
    config = config_of(server)
    whole = fresh(paths)
    place_key(whole)
    fetch(config, whole)
    (expected,) = take_in_landed(config, whole)
    process = start(config, paths)
    assert process.stdout is not None
    assert process.stdout.readline() == "person: 3 rows\n"
    with pytest.raises(DeliveryError, match="another process fetches a delivery of this hospital"):
        fetch(config, paths)
    process.kill()
    process.wait()
    assert (paths.landing / "work" / "person.parquet").exists()
    assert discover(config, paths) == []
    fetch(config, paths)
    assert take_in_landed(config, paths) == [expected]


@pytest.mark.parametrize("left", ["receipt", "removed"])
def test_a_kill_between_reading_and_removing_is_made_good(
    server: Server, paths: SitePaths, left: str
) -> None:
    server.load("tiny", OMOP)
    config = config_of(server)
    fetch(config, paths)
    (delivery,) = discover(config, paths)
    manifest = pull(config, delivery, paths)
    read(config, manifest, delivery, paths)
    waiting = paths.landing / "deliveries" / delivery.name
    if left == "removed":  # the receipt and the rename were made
        copy = paths.landing / "removed"
        clear(paths, delivery, manifest.delivery_id)
        copy.mkdir()
        (copy / "person.parquet").write_bytes(b"")
        backdate(paths)
        fetch(config, paths)
        assert not copy.exists()
    assert take_in_landed(config, paths) == [manifest.delivery_id]
    assert not waiting.exists()
