"""Each hospital's files are what the reader of its format takes in, whole."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from fhir.resources.R4B import get_fhir_model_class

from pumasi.config import SiteConfig, SitePaths
from pumasi.config.site import SourceConfig
from pumasi.extract import discover, pull, read
from pumasi.extract.formats import FORMATS
from pumasi.simulate import simulate
from pumasi.simulate.truth import read_truth
from pumasi.simulate.world import World
from pumasi.simulate.writers import WRITERS
from tests.simulate.lives import crowd

FORMAT_OF = {
    "haneul": "hospital_csv",
    "bada": "omop_cdm",
    "sup": "fhir_r4",
    "deul": "synthea_csv",
}
# Of each record table, the raw tables that hold its rows.
RAW = {
    "omop_cdm": {
        "visits": ["visit_occurrence"],
        "conditions": ["condition_occurrence"],
        "drugs": ["drug_exposure"],
        "deaths": ["death"],
    },
    "fhir_r4": {
        "persons": ["patient"],
        "visits": ["encounter"],
        "conditions": ["condition"],
        "drugs": ["medication_request", "medication_administration"],
        "measurements": ["observation"],
        "procedures": ["procedure"],
    },
    "synthea_csv": {
        "persons": ["patients"],
        "visits": ["encounters"],
        "conditions": ["conditions"],
        "drugs": ["medications"],
        "procedures": ["procedures"],
    },
    "hospital_csv": {
        "persons": ["patients"],
        "visits": ["encounters"],
        "conditions": ["diagnoses"],
        "drugs": ["orders"],
        "measurements": ["lab_results"],
    },
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One full delivery of each of four small hospitals, and the truth."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(World(scale=0.01), folder / "deliveries", folder / "truth", lives=crowd)
    return folder


def site(hospital: str, folder: Path) -> SiteConfig:
    return SiteConfig(
        id=hospital,
        name=hospital,
        format=FORMAT_OF[hospital],
        source=SourceConfig(url=str(folder / "deliveries" / hospital)),
    )


@pytest.mark.parametrize("hospital", list(WRITERS))
def test_every_row_is_read_and_none_is_quarantined(
    simulated: Path, tmp_path: Path, hospital: str
) -> None:
    if FORMAT_OF[hospital] not in FORMATS:
        pytest.skip("the format has no reader yet")
    config, paths = site(hospital, simulated), SitePaths.of(hospital, tmp_path)
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)
    assert (manifest.as_of, manifest.kind) == (date(2026, 7, 1), "full")
    assert manifest.extracted_through == date(2026, 6, 30)
    report = read(config, manifest, delivery, paths)
    assert {name: count.rows_quarantined for name, count in report.tables.items()} == dict.fromkeys(
        report.tables, 0
    )
    for table, raws in RAW[FORMAT_OF[hospital]].items():
        written = current_rows(simulated / "truth", table, hospital)
        assert sum(report.tables[raw].rows_read for raw in raws) == written > 10, table


def current_rows(truth: Path, table: str, hospital: str) -> int:
    found = read_truth(truth, f"record_{table}")
    last = "" if table == "persons" else "and to_date is null and from_date <= date '2026-06-30'"
    with duckdb.connect() as connection:
        connection.register("found", found)
        query = f"select count(*) from found where hospital = '{hospital}' {last}"
        return int(connection.sql(query).fetchall()[0][0])


def resources(folder: Path) -> Iterator[dict[str, object]]:
    for file in sorted(folder.glob("**/*.ndjson")):
        for number, line in enumerate(file.read_text().splitlines()):
            if number % 20 == 0:
                yield json.loads(line)


def test_resources_are_valid_fhir(simulated: Path) -> None:
    types: dict[str, int] = {}
    for resource in resources(simulated / "deliveries" / "sup"):
        name = str(resource["resourceType"])
        get_fhir_model_class(name).model_validate(resource)
        types[name] = types.get(name, 0) + 1
    assert set(types) == {
        "Patient", "Encounter", "Condition", "MedicationRequest", "MedicationAdministration",
        "Observation", "Procedure",
    }  # fmt: skip
    assert sum(types.values()) > 600


def test_no_resource_has_a_key_without_a_value(simulated: Path) -> None:
    for file in (simulated / "deliveries" / "sup").glob("**/*.ndjson"):
        assert "null" not in file.read_text()


def test_the_hospital_says_what_every_column_of_its_extract_means(simulated: Path) -> None:
    folder = simulated / "deliveries" / "haneul" / "2026-07-01"
    dictionary = (folder / "data_dictionary.csv").read_text().splitlines()[1:]
    said = {tuple(line.split(",")[:2]) for line in dictionary}
    found = set()
    for file in folder.glob("*_0.csv"):
        header = file.read_text().splitlines()[0]
        found |= {(file.stem.removesuffix("_0"), column) for column in header.split(",")}
    assert said == found


def test_bada_states_its_observation_periods_up_to_the_last_day(simulated: Path) -> None:
    file = simulated / "deliveries" / "bada" / "2026-07-01" / "observation_period_10000.parquet"
    last, persons = duckdb.sql(
        f"select max(observation_period_end_date), count(*) from '{file}'"
    ).fetchall()[0]
    assert last == date(2026, 6, 30)
    assert persons == World(scale=0.01).persons("bada")
