"""What a later delivery does to what was known before it, one change at a time.

A correction is known from the delivery that brought it; a detail that is filled in later, or a
visit that arrives late, takes nothing away from what was known before and adds nothing to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from tests.hospital import (
    ASTHMA,
    BLEED,
    CELECOXIB,
    PREDNISONE,
    TinyHospital,
    ingest,
    tiny_site,
    write_vocabulary,
)

FIRST, SECOND = date(2018, 12, 31), date(2019, 12, 31)

Later = Callable[[TinyHospital], Any]


@pytest.fixture
def known(fhir_project: CompiledProject, tmp_path: Path) -> Any:
    """Build a hospital from a first delivery and a second one that `later` makes of it."""

    @contextmanager
    def build(
        hospital: TinyHospital, later: Later, through: date | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        hospital.write(tmp_path / "extract" / "first", FIRST)
        second = deepcopy(hospital)
        later(second)
        second.write(tmp_path / "extract" / "second", SECOND, through=through)
        write_vocabulary(tmp_path / "vocabulary")
        paths = ingest(tiny_site(tmp_path, FIRST), tmp_path / "home")
        with fhir_project.build(paths) as connection:
            yield connection

    return build


def person_with_visit() -> tuple[TinyHospital, str]:
    hospital = TinyHospital()
    hospital.add_person("p")
    return hospital, hospital.add_visit("p", "2014-01-01")


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[str | None, ...]:
    """Return the only row of a query, as text."""
    (row,) = connection.execute(query).fetchall()
    return tuple(None if value is None else str(value) for value in row)


DRUGS = "select event_date, known_date, details_known_date from intermediate.int_drug_exposures"
CONDITIONS = (
    "select event_date, known_date, details_known_date from intermediate.int_condition_occurrences"
)
VISITS = "select event_date, known_date, details_known_date from intermediate.int_visit_occurrences"


def test_a_corrected_supply_moves_neither_index_nor_label(known: Any) -> None:
    hospital, _ = person_with_visit()
    drug = hospital.add_drug("p", CELECOXIB, "2015-03-01", days=10)
    hospital.add_condition("p", BLEED, "2015-04-01", "2015-04-01")
    supply = {"expectedSupplyDuration": {"value": 14, "code": "d"}}
    with known(hospital, lambda later: later.change(drug, dispenseRequest=supply)) as connection:
        assert one(connection, DRUGS) == ("2015-03-01", "2015-03-01", "2019-12-31")
        assert one(
            connection, "select index_date, gi_bleed_date from marts.gi_bleed__new_users"
        ) == ("2015-03-01", "2015-04-01")


def test_an_end_that_is_filled_in_leaves_the_diagnosis_where_it_was(known: Any) -> None:
    hospital, _ = person_with_visit()
    asthma = hospital.add_condition("p", ASTHMA, "2014-02-01", "2014-02-01")
    with known(
        hospital, lambda later: later.change(asthma, abatementDateTime="2019-01-01")
    ) as connection:
        assert one(connection, CONDITIONS) == ("2014-02-01", "2014-02-01", "2019-12-31")
        assert one(connection, "select any_asthma_date from marts.asthma__cohort") == (
            "2014-02-01",
        )


@pytest.mark.parametrize(
    "change",
    [
        {"onsetDateTime": "2014-01-01"},
        {"recordedDate": "2014-01-01"},
        {"code": {"coding": [{"system": "http://snomed.info/sct", "code": ASTHMA}]}},
        {"verificationStatus": {"coding": [{"code": "confirmed"}]}},
    ],
    ids=["onset", "recorded", "code", "status"],
)
def test_a_corrected_fact_is_known_from_the_delivery_that_corrected_it(
    known: Any, change: dict[str, Any]
) -> None:
    hospital, _ = person_with_visit()
    other = {"coding": [{"system": "http://snomed.info/sct", "code": BLEED}]}
    before = {
        "code": other if "code" in change else None,
        "verificationStatus": {"coding": [{"code": "refuted"}]}
        if "verificationStatus" in change
        else None,
    }
    name = hospital.add_condition("p", ASTHMA, "2015-02-01", "2015-02-01")
    hospital.change(name, **{key: value for key, value in before.items() if value is not None})
    with known(hospital, lambda later: later.change(name, **change)) as connection:
        assert one(connection, CONDITIONS)[1:] == ("2019-12-31", "2019-12-31")
        assert one(connection, "select any_asthma_date from marts.asthma__cohort") == (
            "2019-12-31",
        )


def test_a_course_of_steroids_is_evidence_from_when_its_duration_was_known(known: Any) -> None:
    hospital, _ = person_with_visit()
    hospital.add_condition("p", ASTHMA, "2014-02-01", "2014-02-01")
    drug = hospital.add_drug("p", PREDNISONE, "2015-03-01", days=2)
    supply = {"expectedSupplyDuration": {"value": 5, "code": "d"}}
    with known(hospital, lambda later: later.change(drug, dispenseRequest=supply)) as connection:
        assert one(
            connection,
            "select start_date, evidence_date, duration_days "
            "from intermediate.asthma__int_systemic_steroids",
        ) == ("2015-03-01", "2019-12-31", "5")


def test_an_index_that_became_known_after_the_extract_has_no_label(known: Any) -> None:
    hospital, _ = person_with_visit()
    drug = hospital.add_drug("p", CELECOXIB, "2015-03-01")

    def later(second: TinyHospital) -> None:
        second.change(drug, authoredOn="2015-03-02")

    with known(hospital, later, through=date(2019, 12, 30)) as connection:
        assert one(connection, DRUGS)[1] == "2019-12-31"
        assert one(
            connection, "select index_date, has_gi_bleed_365 from marts.gi_bleed__new_users"
        ) == ("2019-12-31", None)


def test_an_encounter_that_arrives_late_makes_nothing_known_earlier(known: Any) -> None:
    hospital, _ = person_with_visit()
    hospital.add_condition("p", ASTHMA, "2015-01-20", visit="visit-1")
    with known(hospital, lambda later: later.add_visit("p", "2015-02-01")) as connection:
        assert one(connection, CONDITIONS) == ("2015-01-20", "2018-12-31", "2019-12-31")
        assert one(connection, f"{VISITS} where event_date = '2015-02-01'") == (
            "2015-02-01",
            "2019-12-31",
            "2019-12-31",
        )


def test_an_encounter_that_arrives_late_dates_an_undated_event_from_then_on(known: Any) -> None:
    hospital, _ = person_with_visit()
    name = hospital.add_condition("p", ASTHMA, "2015-01-20", visit="visit-1")
    hospital.change(name, onsetDateTime=None)
    with known(hospital, lambda later: later.add_visit("p", "2015-02-01")) as connection:
        assert one(connection, CONDITIONS) == ("2015-02-01", "2019-12-31", "2019-12-31")


def test_a_visit_that_is_moved_back_takes_nothing_back_with_it(known: Any) -> None:
    hospital, _ = person_with_visit()
    visit = hospital.add_visit("p", "2015-08-01")
    name = hospital.add_condition("p", ASTHMA, "2015-08-01", visit=visit)
    hospital.change(name, onsetDateTime=None)
    period = {"start": "2014-08-01", "end": "2015-08-01"}
    with known(hospital, lambda later: later.change(visit, period=period)) as connection:
        assert one(connection, CONDITIONS) == ("2014-08-01", "2019-12-31", "2019-12-31")
        assert one(connection, "select any_asthma_date from marts.asthma__cohort") == (
            "2019-12-31",
        )


def test_a_visit_that_is_closed_later_keeps_its_day(known: Any) -> None:
    hospital, visit = person_with_visit()
    period = {"start": "2014-01-01", "end": "2014-01-09"}
    with known(hospital, lambda later: later.change(visit, period=period)) as connection:
        assert one(connection, VISITS) == ("2014-01-01", "2014-01-01", "2019-12-31")


def test_a_death_is_not_corrected_by_what_else_is_said_of_the_person(known: Any) -> None:
    hospital, _ = person_with_visit()
    hospital.add_person("q", died="2016-06-06")
    with known(hospital, lambda later: later.change("q", birthDate="1971-05-01")) as connection:
        assert one(connection, "select event_date, known_date from intermediate.int_deaths") == (
            "2016-06-06",
            "2016-06-06",
        )


SYNTHEA = {
    "patients": "Id,BIRTHDATE,DEATHDATE,RACE,ETHNICITY,GENDER\np,1970-05-01,,white,nonhispanic,F\n",
    "encounters": "Id,START,STOP,PATIENT,ENCOUNTERCLASS,CODE\n"
    "v,2015-01-01T10:00:00Z,2015-01-01T11:00:00Z,p,ambulatory,185345009\n",
    "conditions": "START,STOP,PATIENT,ENCOUNTER,CODE\n2015-01-01,{end},p,v,195967001\n",
    "medications": "START,STOP,PATIENT,ENCOUNTER,CODE,DISPENSES\n"
    "2015-01-01T10:00:00Z,{end},p,v,140587,{count}\n",
    "procedures": "START,STOP,PATIENT,ENCOUNTER,CODE\n2015-01-01T10:00:00Z,{end},p,v,386516004\n",
}


def write_synthea(folder: Path, as_of: date, kind: str, end: str, count: int) -> None:
    folder.mkdir(parents=True)
    for name, text in SYNTHEA.items():
        (folder / f"{name}.csv").write_text(text.format(end=end, count=count))
    (folder / "delivery.toml").write_text(
        f'as_of = {as_of}\nextracted_through = {as_of}\nkind = "{kind}"\n'
    )


def test_a_record_that_is_closed_by_an_incremental_delivery_stays_one_record(
    synthea_project: CompiledProject, tmp_path: Path
) -> None:
    write_synthea(tmp_path / "extract" / "first", FIRST, "full", "", 1)
    write_synthea(tmp_path / "extract" / "second", SECOND, "incremental", "2019-06-06", 3)
    write_vocabulary(tmp_path / "vocabulary")
    config = tiny_site(tmp_path, FIRST, source_format="synthea_csv")
    with synthea_project.build(ingest(config, tmp_path / "home")) as connection:
        assert one(connection, CONDITIONS) == ("2015-01-01", "2015-01-01", "2019-12-31")
        assert one(connection, DRUGS) == ("2015-01-01", "2015-01-01", "2019-12-31")
        assert one(
            connection,
            "select drug_exposure_end_date, refills from intermediate.int_drug_exposures",
        ) == ("2019-06-06", "2")
        assert one(connection, "select known_date from intermediate.int_procedure_occurrences") == (
            "2015-01-01",
        )


def test_a_later_version_in_one_delivery_takes_the_earlier_back(
    fhir_project: CompiledProject, tmp_path: Path
) -> None:
    hospital, _ = person_with_visit()
    hospital.change("p", meta={"versionId": "2", "lastUpdated": "2018-03-02T00:00:00Z"})
    hospital.add_person("p", born="1990-05-01")
    hospital.change_last("Patient", meta={"versionId": "1", "lastUpdated": "2018-03-01T00:00:00Z"})
    name = hospital.add_condition("p", ASTHMA, "2015-01-01", "2015-01-01")
    hospital.change(name, meta={"versionId": "10", "lastUpdated": "2018-03-02T08:00:00+09:00"})
    hospital.change(
        name, verificationStatus={"coding": [{"code": "entered-in-error"}]}, clinicalStatus=None
    )
    hospital.add_condition("p", ASTHMA, "2015-01-01", "2015-01-01")
    hospital.change_last(
        "Condition", id=name, meta={"versionId": "9", "lastUpdated": "2018-03-01T23:00:00Z"}
    )
    hospital.write(tmp_path / "extract" / "first", FIRST)
    write_vocabulary(tmp_path / "vocabulary")
    paths = ingest(tiny_site(tmp_path, FIRST), tmp_path / "home")
    with fhir_project.build(paths) as connection:
        fates = connection.execute(
            "select line_no, fate from intermediate.int_row_fates "
            "where source_table = 'condition' order by line_no"
        ).fetchall()
        assert [fate for _, fate in fates] == ["not_mapped", "superseded"]
        assert one(connection, "select year_of_birth from intermediate.int_persons") == ("1970",)
