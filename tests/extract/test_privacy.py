"""No identifier of any extract is in what reading leaves behind, and no value is in an error."""

import logging
import re
import traceback
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import pytest

from pumasi.errors import PumasiError
from tests.extract.conftest import SETS
from tests.extract.extracts import (
    CONDITIONS,
    HOSPITAL,
    OMOP,
    PERSONS,
    SYNTHEA,
    Taken,
    bundle,
    condition,
    encounter,
    every_text,
    ndjson,
    patient,
    site_of,
    take_in,
    take_in_files,
    write_files,
)

SharedSet = Callable[[str], Taken]
TOKEN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


def traces(texts: Iterable[str], identifiers: Iterable[str]) -> set[str]:
    """The identifiers that are in the texts as whole tokens or, of several words, as a whole."""
    wanted = {each for each in identifiers if each}
    words = {each for each in wanted if TOKEN.fullmatch(each)}
    everything = "\n".join(texts)
    found = words & set(TOKEN.findall(everything))
    phrases = wanted - words
    lowered = everything.lower()
    return found | {each for each in phrases if each.lower() in lowered}


def left_behind(taken: Taken) -> tuple[set[str], list[str]]:
    """Every text in parquet of raw and quarantine, and the other files with all their text."""
    parquet = [*taken.paths.raw.rglob("*.parquet"), *taken.paths.quarantine.rglob("*.parquet")]
    others = [*taken.paths.deliveries.iterdir()]
    assert parquet
    assert others
    names = [path.name for path in taken.paths.root.rglob("*")]
    return every_text(parquet), [path.read_text() for path in others] + names


def column(query: str, *parameters: object) -> list[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(query, list(parameters)).fetchall()
    return [str(row[0]) for row in rows if row[0] is not None]


# -- the shared sets -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["smart", "tietai"])
def test_no_identifier_of_a_fhir_extract_is_left(
    shared_set: SharedSet, shared_data: Path, name: str
) -> None:
    folder = shared_data / SETS[name][0]
    ids = column("select json->>'$.id' from read_ndjson_objects($1)", f"{folder}/*.ndjson.gz")
    persons = [
        value
        for path in (
            "json->>'$.identifier[*].value'",
            "json->>'$.telecom[*].value'",
            "flatten([json->>'$.address[*].line[0]', json->>'$.address[*].postalCode'])",
            "[concat(json->>'$.name[0].given[0]', ' ', json->>'$.name[0].family')]",
            "[json->>'$.birthDate']",
            "json->>'$.extension[*].valueString'",
        )
        for value in column(
            f"select unnest({path}) from read_ndjson_objects($1)", f"{folder}/Patient.ndjson.gz"
        )
    ]
    texts, others = left_behind(shared_set(name))
    assert len(ids) > 100_000
    assert len(persons) > 1_000
    assert len(texts) > 100
    assert traces(texts, [*ids, *persons]) == set()
    assert traces(others, [*ids, *persons]) == set()
    # The search finds what is there.
    assert traces([f"a/{ids[0]}|", f"of {persons[-1]}."], [ids[0], persons[-1]]) != set()


def test_no_identifier_of_the_synthea_extract_is_left(
    shared_set: SharedSet, shared_data: Path
) -> None:
    folder = shared_data / SETS["synthea"][0]
    direct = ("Id", "SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "MAIDEN", "ADDRESS", "BIRTHDATE")
    persons = [
        value
        for name in direct
        for value in column(
            f"select {name} from read_csv($1, all_varchar = true)", f"{folder}/patients.csv.gz"
        )
    ]
    visits = column(
        "select Id from read_csv($1, all_varchar = true)", f"{folder}/encounters.csv.gz"
    )
    texts, others = left_behind(shared_set("synthea"))
    assert len(persons) > 27 * 6
    assert len(visits) == 604
    assert traces(texts, [*persons, *visits]) == set()
    assert traces(others, [*persons, *visits]) == set()


@pytest.mark.parametrize("name", ["gibleed_csv", "nj"])
def test_no_identifier_of_an_omop_extract_is_left(
    shared_set: SharedSet, shared_data: Path, tmp_path: Path, name: str
) -> None:
    """Ids are small numbers here: those that are also codes of the source say nothing."""
    folder = shared_data / SETS[name][0]
    if name == "nj":
        with zipfile.ZipFile(next(folder.glob("*.zip"))) as archive:
            archive.extractall(tmp_path)
        folder = tmp_path
    tables = {p.name.lower().split(".")[0]: p for p in folder.iterdir() if ".csv" in p.name}

    def values(table: str, wanted: str) -> list[str]:
        query = f"select distinct {wanted} from read_csv($1, all_varchar = true)"
        return column(query, str(tables[table]))

    events = ("condition_occurrence", "drug_exposure", "measurement", "procedure_occurrence")
    ids = {*values("person", "person_id"), *values("visit_occurrence", "visit_occurrence_id")}
    ids |= {value for table in events for value in values(table, f"{table}_id")}
    ids |= {value for table in events for value in values(table, "visit_occurrence_id")}
    ids = {value.removesuffix(".0") for value in ids} - {"0"}
    names = [*values("person", "person_source_value")]
    names += values("visit_occurrence", "visit_source_value")
    codes = {
        token
        for table in (*events, "observation")
        for value in values(table, f"{table.split('_')[0]}_source_value")
        for token in TOKEN.findall(value)
    }
    taken = shared_set(name)
    texts, others = left_behind(taken)
    assert len(ids) > 1_000
    # Numbers of one or two digits are in versions and units: v5.4, 10*3/uL.
    assert traces(texts, {value for value in ids - codes if len(value) > 2}) == set()
    assert traces(texts, names) == set()
    assert traces(others, names) == set()
    numbers = numbers_of(taken)
    assert len(numbers) > 1_000
    assert not numbers & {int(value) for value in ids}


def numbers_of(taken: Taken) -> set[int]:
    """Every bigint of raw, the number of the row aside."""
    found: set[int] = set()
    with duckdb.connect() as connection:
        for path in (taken.paths.raw / taken.manifest.delivery_id).glob("*.parquet"):
            if path.stem in ("delivery", "read_counts"):
                continue
            described = connection.execute("describe from read_parquet($1)", [str(path)]).fetchall()
            for name, kind, *_ in described:
                if kind == "BIGINT" and name != "line_no":
                    query = f'select distinct "{name}" from read_parquet($1)'
                    rows = connection.execute(query, [str(path)]).fetchall()
                    found |= {row[0] for row in rows if row[0] is not None}
    return found


# -- small extracts with a secret in every place ---------------------------------------------------

SECRET = "Byron-1815"


def test_nothing_that_is_not_allowed_enters_by_any_column(tmp_path: Path) -> None:
    """The secret stands in every column that doesn't enter, and in every text that isn't listed."""
    secret = f"{SECRET} of Ada"
    named = patient(
        name=[{"family": SECRET}],
        address=[{"line": [secret]}],
        telecom=[{"value": SECRET}],
        text={"div": secret},
        gender=secret,
        identifier=[{"value": SECRET}],
        extension=[{"url": SECRET, "valueString": secret}],
    )
    codes = {"coding": [{"system": secret, "code": "1"}, {"code": secret}], "text": secret}
    event = condition(
        code=codes,
        clinicalStatus=codes,
        note=[{"text": secret}],
        onsetDateTime=secret,
        recorder={"display": secret},
    )
    other = {"resourceType": f"{SECRET}", "id": SECRET}
    visit = encounter(type=[codes], status=secret, reasonCode=[codes])
    taken = take_in_files(tmp_path, {"a.ndjson": ndjson(named, event, visit, other)}, "fhir_r4")
    texts, others = left_behind(taken)
    assert not [text for text in [*texts, *others] if "byron" in text.lower()]
    assert taken.counts("other") == (1, 0, 0, 1, 0)
    csv = take_in_files(
        tmp_path / "csv",
        SYNTHEA
        | {
            "patients.csv": SYNTHEA["patients.csv"]
            .replace("Ada", SECRET)
            .replace("1 Old Lane", SECRET)
            .replace("999-11-2222", SECRET)
            .replace("white", SECRET),
            "observations.csv": SYNTHEA["observations.csv"].replace("Never smoker", SECRET),
        },
        "synthea_csv",
    )
    texts, others = left_behind(csv)
    assert not [text for text in [*texts, *others] if "byron" in text.lower()]
    assert csv.counts("patients")[4] == 1
    assert csv.counts("observations")[4] == 1
    house = take_in_files(
        tmp_path / "house",
        HOSPITAL
        | {
            "patients.csv": HOSPITAL["patients.csv"]
            .replace("Kim Old", SECRET)
            .replace("10000001", SECRET)
            .replace("Seoul", SECRET),
            "lab_results.csv": HOSPITAL["lab_results.csv"].replace("uncertain", SECRET),
            "orders.csv": HOSPITAL["orders.csv"].replace(",PO,", f",{secret},"),
        },
        "hospital_csv",
    )
    texts, others = left_behind(house)
    assert not [text for text in [*texts, *others] if "byron" in text.lower()]
    assert house.counts("lab_results")[4] == 1
    assert house.counts("orders")[4] == 1


def test_the_quarantine_holds_no_text_of_the_row(tmp_path: Path) -> None:
    text = CONDITIONS.replace("2015-02-03", SECRET).replace("2017-04-05", f'"{SECRET}"')
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence")[2] == 2
    texts, others = left_behind(taken)
    assert not [each for each in [*texts, *others] if "byron" in each.lower()]


def database(tmp_path: Path, person: str) -> bytes:
    """A DuckDB file whose `person` is a view with that SQL."""
    path = tmp_path / "made.duckdb"
    with duckdb.connect(str(path)) as connection:
        columns = "101 as person_id, 8507 as gender_concept_id, 1950 as year_of_birth"
        connection.execute(f"create table secret as select '{SECRET}' as name, {columns}")
        connection.execute(f"create view person as {person}")
        connection.execute(
            "create table observation_period as select 1 as observation_period_id, "
            "101 as person_id, date '2010-01-01' as observation_period_start_date, "
            "date '2020-01-01' as observation_period_end_date"
        )
    return path.read_bytes()


def spoiled_parquet(tmp_path: Path) -> bytes:
    """A parquet file with bytes of its pages overwritten, the footer whole."""
    path = tmp_path / "person.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select '{SECRET}' || i as person_id, 8507 as gender_concept_id, "
            f"1950 as year_of_birth from range(20000) r(i)) to '{path}' (compression uncompressed)"
        )
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = SECRET.encode() * (len(content) // 2 // len(SECRET))
    return bytes(content)


BROKEN: dict[str, Callable[[Path], tuple[str, dict[str, str | bytes]]]] = {
    "a cast that fails inside a database": lambda path: (
        "omop_cdm",
        {"a.duckdb": database(path, "select *, name::integer as race_concept_id from secret")},
    ),
    "an error that a database raises": lambda path: (
        "omop_cdm",
        {"a.duckdb": database(path, "select *, error(name) as race_concept_id from secret")},
    ),
    "spoiled parquet": lambda path: ("omop_cdm", OMOP | {"person.parquet": spoiled_parquet(path)}),
    "mixed line ends": lambda path: (
        "omop_cdm",
        OMOP | {"person.csv": PERSONS.replace("MRN-000101\n", f"{SECRET}\r\n")},
    ),
    "an unterminated quote": lambda path: (
        "omop_cdm",
        OMOP | {"person.csv": PERSONS.replace("MRN-000101", f'"{SECRET}')},
    ),
    "a header that is a row": lambda path: (
        "omop_cdm",
        OMOP | {"person.csv": f"{SECRET},8507,person_{SECRET},1,{SECRET}\n"},
    ),
    "no person can be read": lambda path: (
        "omop_cdm",
        OMOP | {"person.csv": PERSONS.replace(",19", f",{SECRET}")},
    ),
    "a hospital's mixed line ends": lambda path: (
        "hospital_csv",
        HOSPITAL | {"patients.csv": HOSPITAL["patients.csv"].replace("Kim Old", f"{SECRET}\r")},
    ),
    "a hospital's unterminated quote": lambda path: (
        "hospital_csv",
        HOSPITAL | {"patients.csv": HOSPITAL["patients.csv"].replace("Kim Old", f'"{SECRET}')},
    ),
    "a hospital's other encoding": lambda path: (
        "hospital_csv",
        HOSPITAL
        | {"patients.csv": HOSPITAL["patients.csv"].replace("Kim", f"김{SECRET}").encode("cp949")},
    ),
    "a hospital's patients who can't be read": lambda path: (
        "hospital_csv",
        HOSPITAL
        | {"patients.csv": HOSPITAL["patients.csv"].replace(",19", f",{SECRET}").encode("cp949")},
    ),
    "a hospital's mark of another encoding": lambda path: (
        "hospital_csv",
        HOSPITAL | {"patients.csv": f"\ufeff{SECRET}\n{SECRET}".encode("utf-16")},
    ),
    "a carriage return in json": lambda path: (
        "fhir_r4",
        {"a.ndjson": ndjson(patient(SECRET)).replace("gender", "\rgender")},
    ),
    "only a broken bundle": lambda path: (
        "fhir_r4",
        {f"{SECRET}.json": bundle(patient(SECRET))[:-9]},
    ),
    "a truncated bundle": lambda path: (
        "fhir_r4",
        {f"{SECRET}.json.gz.json.gz": b"\xff" + bundle(patient(SECRET)).encode()},
    ),
    "a statement that is wrong": lambda path: (
        "omop_cdm",
        OMOP | {"delivery.toml": f'as_of = "{SECRET}"'},
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_no_value_reaches_an_error_or_a_log(
    tmp_path: Path,
    what: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    form, files = BROKEN[what](tmp_path)
    folder = write_files(tmp_path / "extract", files)
    with caplog.at_level(logging.DEBUG), pytest.raises(PumasiError) as raised:
        take_in(site_of(folder, form), tmp_path / "home")
    said = [
        str(raised.value),
        repr(raised.value),
        "".join(traceback.format_exception(raised.value)),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert not [each for each in said if "byron" in each.lower()]
    assert len(str(raised.value)) > 40
    home = tmp_path / "home" / "sites" / "tiny"
    assert not (home / "raw").exists()
    assert [path.name for path in (home / "reading").rglob("*")] in ([], [".lock"])
