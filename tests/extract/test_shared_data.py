"""Data that nobody here wrote reads to the numbers that its makers state, and every line counts."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pumasi.extract.files import examine
from tests.extract.conftest import SETS
from tests.extract.extracts import Taken

SharedSet = Callable[[str], Taken]

# Rows of each table that enters; none of these sets has a row that can't be read.
READ = {
    "gibleed": {
        "person": 2694,
        "observation_period": 5343,
        "visit_occurrence": 1037,
        "condition_occurrence": 65332,
        "drug_exposure": 67707,
        "procedure_occurrence": 37409,
        "measurement": 44053,
        "observation": 1477,
        "visit_detail": 0,
        "device_exposure": 0,
        "specimen": 0,
        "note": 0,
        "payer_plan_period": 0,
        "cost": 0,
        "episode": 0,
        "dose_era": 0,
        "location": 0,
        "care_site": 0,
        "provider": 0,
        "death": 0,
        "cdm_source": 1,
    },
    "nj": {
        "person": 28,
        "observation_period": 28,
        "visit_occurrence": 1791,
        "condition_occurrence": 470,
        "drug_exposure": 883,
        "procedure_occurrence": 1649,
        "measurement": 10040,
        "observation": 8099,
        "visit_detail": 1791,
        "device_exposure": 1,
        "specimen": 0,
        "note": 0,
        "payer_plan_period": 0,
        "cost": 0,
        "episode": 0,
        "dose_era": 0,
        "location": 0,
        "care_site": 0,
        "provider": 67,
        "death": 3,
        "cdm_source": 1,
    },
    "smart": {
        "patient": 615,
        "encounter": 18098,
        "condition": 4546,
        "medication_request": 4712,
        "medication_administration": 0,
        "observation": 88674,
        "procedure": 14081,
        "immunization": 7389,
        "organization": 102,
        "location": 0,
        "practitioner": 102,
        "practitioner_role": 0,
    },
    "tietai": {
        "patient": 200,
        "encounter": 22693,
        "condition": 22289,
        "medication_request": 6059,
        "medication_administration": 1573,
        "observation": 217521,
        "procedure": 46436,
        "immunization": 12287,
        "organization": 125,
        "location": 117,
        "practitioner": 446,
        "practitioner_role": 446,
    },
    "synthea": {
        "patients": 27,
        "encounters": 604,
        "conditions": 438,
        "medications": 663,
        "observations": 990,
        "procedures": 249,
        "immunizations": 29,
        "devices": 3,
        "supplies": 72,
        "payer_transitions": 1051,
        "claims_transactions": 5228,
        "organizations": 63,
        "providers": 166,
    },
}
READ["gibleed_csv"] = READ["gibleed"]
# Values of the source that no column could take: texts that no value map lists.
NULLED = {
    "gibleed": {"person": 2694},
    "gibleed_csv": {"person": 2694},
    # Specialties of providers in words that no list admits.
    "nj": {"measurement": 9155, "provider": 67},
    # Names of organizations, regions and specialties besides.
    "smart": {"observation": 190, "organization": 102},
    # Supplies that are not in days; of each location state and country.
    "tietai": {
        "observation": 2262,
        "medication_request": 210,
        "organization": 125,
        "location": 234,
        "practitioner_role": 446,
    },
    # Names of organizations and specialties of providers besides.
    "synthea": {"observations": 373, "organizations": 63, "providers": 166},
}
EVERY = sorted(READ)


@pytest.mark.parametrize("name", EVERY)
def test_a_shared_set_reads_to_its_exact_counts(shared_set: SharedSet, name: str) -> None:
    taken = shared_set(name)
    read = {table: taken.report.tables[table].rows_read for table in READ[name]}
    assert read == READ[name]
    assert {table: len(taken.rows(table, "1")) for table in READ[name]} == READ[name]
    nulled = {table: taken.report.tables[table].values_nulled for table in READ[name]}
    assert {table: n for table, n in nulled.items() if n} == NULLED[name]
    assert taken.quarantine() == []


@pytest.mark.parametrize("name", EVERY)
def test_rows_in_are_read_quarantined_or_ignored(shared_set: SharedSet, name: str) -> None:
    for count in shared_set(name).report.tables.values():
        assert count.rows_in == count.rows_read + count.rows_quarantined + count.rows_ignored


@pytest.mark.parametrize("name", sorted(set(SETS) - {"nj"}))
def test_every_line_of_every_file_is_accounted_for(
    shared_set: SharedSet, shared_data: Path, name: str
) -> None:
    lines = 0
    for path in (shared_data / SETS[name][0]).iterdir():
        if path.suffix == ".gz":
            header = 1 if ".csv" in path.name else 0
            lines += max(0, examine(path, path.name, text=True).lines - header)
    assert sum(count.rows_in for count in shared_set(name).report.tables.values()) == lines


@pytest.mark.parametrize("name", EVERY)
def test_the_counts_and_the_delivery_lie_beside_the_tables(
    shared_set: SharedSet, name: str
) -> None:
    taken = shared_set(name)
    folder = taken.paths.raw / taken.manifest.delivery_id
    with duckdb.connect() as connection:
        counts = connection.execute(
            "select source_table, rows_in, rows_read, rows_quarantined, rows_ignored, "
            "values_nulled from read_parquet($1) where delivery_id = $2",
            [str(folder / "read_counts.parquet"), taken.manifest.delivery_id],
        ).fetchall()
        delivery = connection.execute(
            "select * from read_parquet($1)", [str(folder / "delivery.parquet")]
        ).fetchall()
    assert {row[0]: row[1:] for row in counts} == {
        table: taken.counts(table) for table in taken.report.tables
    }
    manifest = taken.manifest
    assert delivery == [
        (
            manifest.delivery_id,
            manifest.as_of,
            manifest.extracted_through,
            "full",
            manifest.format,
            manifest.format_version,
            "",
            1,  # no withdrawal has written it anew
        )
    ]


def test_versions_of_the_formats_are_recognised(shared_set: SharedSet) -> None:
    versions = {name: shared_set(name).manifest.format_version for name in EVERY}
    assert versions == {
        "gibleed": "5.3",
        "gibleed_csv": "5.3",
        "nj": "5.4",
        "smart": "4.0",
        "tietai": "4.0",
        "synthea": "3",
    }


def test_the_packaged_database_and_the_folder_of_csv_have_the_same_content(
    shared_set: SharedSet,
) -> None:
    """The same data set, once as a DuckDB file and once as upper-case CSV, gzip."""
    assert shared_set("gibleed").content() == shared_set("gibleed_csv").content()


def test_the_zip_is_read_without_its_litter(shared_set: SharedSet) -> None:
    files = shared_set("nj").manifest.files
    assert all(each.path.startswith("Synthea27Nj_5.4.zip/") for each in files)
    assert not [each.path for each in files if "__MACOSX" in each.path or "/._" in each.path]
    assert not (shared_set("nj").paths.reading / "landing").exists()


def test_gibleed_keeps_its_repeated_observation_ids(shared_set: SharedSet) -> None:
    """Six of its observation ids stand for two different rows: what to do is not read's to say."""
    rows = shared_set("gibleed").rows("observation", "observation_id")
    assert (len(rows), len(set(rows))) == (1477, 1471)


@pytest.mark.parametrize(
    ("name", "person"),
    [("gibleed", "person"), ("smart", "patient"), ("tietai", "patient"), ("synthea", "patients")],
)
def test_split_keys_spread_the_persons(shared_set: SharedSet, name: str, person: str) -> None:
    taken = shared_set(name)
    keys = [row[0] for row in taken.rows(person, "split_key")]
    assert min(keys) >= 0
    assert max(keys) <= 99
    assert len(set(keys)) > min(len(keys), 100) * 0.5


@pytest.mark.parametrize("name", ["smart", "tietai"])
def test_references_and_ids_of_fhir_meet(shared_set: SharedSet, name: str) -> None:
    """Every reference of these sets points at a resource that is there."""
    taken = shared_set(name)
    patients = {row[0] for row in taken.rows("patient", "patient_id")}
    encounters = {row[0] for row in taken.rows("encounter", "encounter_id")}
    for table in ("condition", "observation", "procedure", "immunization", "medication_request"):
        rows = taken.rows(table, "patient_id, encounter_id")
        assert {row[0] for row in rows} <= patients
        assert {row[1] for row in rows} - {None} <= encounters
    for place, table in (("care_site_id", "organization"), ("provider_id", "practitioner")):
        named = {row[0] for row in taken.rows("encounter", place)} - {None}
        assert named
        assert named <= {row[0] for row in taken.rows(table, place)}


def test_the_known_losses_of_gibleed_are_there(shared_set: SharedSet) -> None:
    taken = shared_set("gibleed")
    persons = {row[0] for row in taken.rows("person", "person_id")}
    visits = {row[0] for row in taken.rows("visit_occurrence", "visit_occurrence_id")}
    periods = taken.rows("observation_period", "person_id")
    conditions = taken.rows("condition_occurrence", "visit_occurrence_id")
    assert len(persons) == 2694
    assert sum(row[0] not in persons for row in periods) == 2649
    assert sum(row[0] is not None and row[0] not in visits for row in conditions) == 64717
