"""Every rule of every suite: silent on a hospital that is well, and counting on one that is not.

What the catalogue counts is tested beside it (`tests/quality/catalogue`); here that it is asked.
"""

from __future__ import annotations

import re
from collections import Counter

import duckdb
import pytest

import expectations
from pumasi.quality import Outcome, Severity, Status, reasons_closed
from tests.expectations.tiny import EMPTY, TABLES, run_tiny

# A day after the extraction, before birth, more than 60 days after the death of person 10.
FUTURE, UNBORN, POSTHUMOUS = "date '2021-01-01'", "date '1950-05-31'", "date '2020-07-31' + 1"


def spoil(table: str, key: str, **values: str) -> str:
    assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
    return f"update {table} set {assignments} where {key}"


def spoil_days(table: str, day: str) -> list[str]:
    """One row after the extraction, one before birth, and one after death."""
    key = f"{table}_id"
    return [
        spoil(table, f"{key} = 1", **{day: FUTURE}),
        spoil(table, f"{key} = 10", **{day: UNBORN}),
        spoil(table, f"{key} = 19", **{day: POSTHUMOUS}),
    ]


# The day of each mart that must lie in the extract, and the outcome of those with an index.
DAYS = {
    "core__charlson": "known_date",
    "core__comedication": "episode_start_date",
    "fabry__kidney_course": "measured_date",
    "fabry__evidence": "event_date",
    "fabry__cohort": "suspicion_date",
    "asthma__treatment_episodes": "episode_start_date",
}
INDEXES = {
    "fabry__screening_features": "has_fabry_5y",
    "asthma__risk_features": "has_exacerbation_12m",
}

SPOILED = [
    spoil("person", "person_id = 2", year_of_birth="1849", gender_concept_id="0"),
    spoil("person", "person_id = 3", month_of_birth="13"),
    "delete from observation_period where person_id = 9",
    spoil("observation_period", "observation_period_id = 5",
          observation_period_end_date=FUTURE),
    "insert into death values (4, date '1940-01-01'), (5, date '2021-01-01'), "
    "(6, date '2200-01-01')",
    *spoil_days("visit_occurrence", "visit_start_date"),
    spoil("visit_occurrence", "visit_occurrence_id in (7, 8)",
          visit_end_date="visit_start_date + 367", visit_concept_id="0"),
    spoil("visit_occurrence", "visit_occurrence_id = 9", visit_end_date="visit_start_date + 91"),
    *spoil_days("condition_occurrence", "condition_start_date"),
    spoil("condition_occurrence", "condition_occurrence_id in (7, 8)",
          condition_concept_id="0", visit_occurrence_id="null", condition_source_value="'J45'"),
    # Neither is a code of ICD-10: nothing is said of them.
    spoil("condition_occurrence", "condition_occurrence_id in (0, 9)",
          condition_source_value="'195967001'"),
    *spoil_days("drug_exposure", "drug_exposure_start_date"),
    spoil("drug_exposure", "drug_exposure_id in (7, 8)", drug_concept_id="99",
          visit_occurrence_id="null", days_supply="366", refills="-1", quantity="-0.5"),
    *spoil_days("procedure_occurrence", "procedure_date"),
    spoil("procedure_occurrence", "procedure_occurrence_id in (7, 8)",
          visit_occurrence_id="null"),
    *spoil_days("measurement", "measurement_date"),
    spoil("measurement", "measurement_id in (1, 7, 8)", unit_concept_id="0"),
    spoil("measurement", "measurement_id in (7, 8)", visit_occurrence_id="null", range_low="3"),
    spoil("measurement", "measurement_id in (15, 16)", value_source_value="null"),
    *spoil_days("observation", "observation_date"),
    spoil("observation", "observation_id in (7, 8)", visit_occurrence_id="null"),
    spoil("condition_era", "condition_era_id = 1", condition_concept_id="0",
          condition_occurrence_count="0"),
    spoil("condition_era", "condition_era_id = 3", condition_era_end_date="date '2014-01-01'"),
    spoil("drug_era", "drug_era_id = 1", drug_exposure_count="0", gap_days="31"),
    spoil("drug_era", "drug_era_id = 3", drug_era_end_date="date '2014-01-01'"),
    "insert into cdm_source values ('', 'x', 'x', date '2021-01-02', date '2021-01-01')",
    spoil("asthma__cohort", "person_id = 1", split_key="100", any_asthma_date=FUTURE),
    spoil("asthma__cohort", "person_id = 5", any_asthma_date="date '1940-01-01'"),
    spoil("asthma__exacerbations", "person_id = 1", split_key="-1", episode_start_date=FUTURE),
    spoil("asthma__exacerbations", "person_id = 5",
          episode_end_date="episode_start_date + 367"),
    spoil("gi_bleed__new_users", "person_id = 1", split_key="100", age_at_index="121",
          index_date=FUTURE, is_female="null", has_gi_bleed_365="null"),
    spoil("gi_bleed__new_users", "person_id = 5", age_at_index="-1", is_female="null",
          has_gi_bleed_365="null"),
    *(spoil(mart, "person_id = 1", split_key="100", **{day: FUTURE})
      for mart, day in DAYS.items()),
    spoil("asthma__treatment_episodes", "kind = 'gina_step'", episode_start_date=FUTURE),
    spoil("fabry__kidney_course", "person_id in (1, 2)", creatinine="90", egfr="null"),
    spoil("fabry__kidney_course", "person_id = 2", age_at_measurement="17"),
    *(spoil(mart, "person_id = 1", split_key="-1", age_at_index="121", is_female="null",
            **{outcome: "null"})
      for mart, outcome in INDEXES.items()),
    spoil("fabry__screening_features", "person_id = 2", has_fabry_5y="null"),
    spoil("asthma__risk_features", "person_id = 1", last_eosinophils="0.3",
          uses_ics="false", eosinophils_are_known="null"),
    spoil("asthma__risk_features", "person_id = 2", has_exacerbation_12m="null"),
]  # fmt: skip

EVENTS = {
    "visit_occurrence": "visit_start_date",
    "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date",
    "procedure_occurrence": "procedure_date",
    "measurement": "measurement_date",
    "observation": "observation_date",
}

# Violations and denominator of every rule of the suites on the spoiled hospital, by hand.
EXPECTED = {
    "person.gender_is_known": (1, 10),
    "person.age_is_plausible": (1, 6),  # of those who live
    "death.age_at_death_is_plausible": (1, 4),
    "visit_occurrence.stay_is_at_most_a_year": (3, 20),  # 7, 8, and 10, which begins in 1950
    "visit_occurrence.inpatient_stay_is_at_most_90_days": (1, 8),
    # 1 to 4, 7 and 8, of the 18 that have a code of ICD-10.
    "condition_occurrence.code_names_a_disease": (6, 18),
    "measurement.has_a_value": (2, 20),
    "measurement.number_has_a_unit": (3, 15),
    "measurement.fabry_test_has_a_unit": (1, 2),
    "measurement.range_is_in_order": (2, 20),
    "condition_era.is_made_of_something": (1, 20),
    "drug_era.is_made_of_something": (1, 20),
    "drug_era.gaps_fit_into_the_era": (2, 20),  # 1, and 3, which ends before it begins
    "cdm_source.is_one_row": (2, 2),
    "cdm_source.names_are_stated": (1, 2),
    "asthma__cohort.split_key_is_in_range": (1, 10),
    "asthma__cohort.age_is_plausible": (2, 10),  # 5, and 2, who was born in 1849
    "asthma__cohort.any_asthma_date_is_not_after_extraction": (1, 10),
    "asthma__cohort.any_asthma_date_is_in_observation": (3, 10),  # with person 9, never observed
    "asthma__exacerbations.split_key_is_in_range": (1, 10),
    "asthma__exacerbations.start_is_not_after_extraction": (1, 10),
    "asthma__exacerbations.episode_is_at_most_a_year": (1, 10),
    "asthma__exacerbations.start_is_in_observation": (2, 10),
    "gi_bleed__new_users.split_key_is_in_range": (1, 10),
    "gi_bleed__new_users.age_at_index_is_plausible": (2, 10),
    "gi_bleed__new_users.index_date_is_not_after_extraction": (1, 10),
    "gi_bleed__new_users.index_date_is_in_observation": (2, 10),
    "gi_bleed__new_users.sex_is_known": (2, 10),
    "gi_bleed__new_users.outcome_is_observed": (6, 10),
    "fabry__kidney_course.creatinine_is_plausible": (2, 10),
    "fabry__kidney_course.egfr_is_known": (1, 9),  # of adults
    "fabry__screening_features.outcome_is_observed": (10, 10),
    "asthma__risk_features.outcome_is_observed": (6, 10),
    "asthma__risk_features.eosinophils_are_plausible": (1, 10),
    # Of eight yearly indexes none has any longer what one had.
    "asthma__risk_features.a_controller_is_used": (8, 8),
    "asthma__risk_features.eosinophils_of_the_year_are_known": (8, 8),
}
for _mart, _day in DAYS.items():
    EXPECTED |= {
        f"{_mart}.split_key_is_in_range": (1, 10),
        # A GINA step may begin after the extract.
        f"{_mart}.{_day}_is_not_after_extraction": (1, 9 if "treatment" in _mart else 10),
    }
for _mart in INDEXES:
    EXPECTED |= {
        f"{_mart}.split_key_is_in_range": (1, 10),
        f"{_mart}.age_at_index_is_plausible": (1, 10),
        f"{_mart}.sex_is_known": (1, 10),
    }
for _table, _day in EVENTS.items():
    # 1, 10, 19, and 8 and 18 of person 9, who is never observed.
    EXPECTED[f"{_table}.{_day}_is_in_observation"] = (5, 20)
    if _table != "visit_occurrence":
        EXPECTED[f"{_table}.visit_is_known"] = (2, 20)

# Some checks of the catalogue on the spoiled hospital, by hand: one of each family that it has.
COUNTED = {
    "person.year_of_birth_is_not_too_low": (1, 10),
    "person.month_of_birth_is_not_too_high": (1, 10),
    "person.gender_concept_id_is_in_concept": (1, 10),
    "observation_period.every_person_has_a_row": (1, 10),
    "observation_period.observation_period_end_date_is_not_too_high": (1, 18),
    # The day after the extract is one too late, and so is the year 2200.
    "death.death_date_is_not_too_high": (2, 4),
    "death.death_date_is_not_before_birth": (1, 4),
    "visit_occurrence.visit_concept_id_is_mapped": (2, 20),
    # 1, which was put off, and 19: the visits end where they ended.
    "visit_occurrence.visit_start_date_is_not_after_visit_end_date": (2, 20),
    # 19, and 3 and 13 of person 4, who died in 1940, of the events of the four dead.
    "visit_occurrence.visit_start_date_is_before_death": (3, 8),
    "visit_occurrence.visit_start_date_is_not_after_death": (3, 8),
    "condition_occurrence.condition_start_date_is_not_too_high": (1, 20),
    "condition_occurrence.condition_start_date_is_not_before_birth": (1, 20),
    "condition_occurrence.condition_concept_id_is_mapped": (2, 20),
    "drug_exposure.drug_concept_id_is_in_concept": (2, 20),
    "drug_exposure.days_supply_is_not_too_high": (2, 10),
    "drug_exposure.refills_is_not_too_low": (2, 20),
    "drug_exposure.quantity_is_not_too_low": (2, 20),
    "condition_era.condition_concept_id_is_mapped": (1, 20),
    "drug_era.drug_era_start_date_is_not_after_drug_era_end_date": (1, 20),
    "cdm_source.source_release_date_is_not_after_cdm_release_date": (1, 2),
}

# What a source may not record, or may not have: declared rule by rule.
MAY_LACK = {
    "visit_occurrence.inpatient_stay_is_at_most_90_days",
    "condition_occurrence.code_names_a_disease",
    "measurement.number_has_a_unit",
    "measurement.fabry_test_has_a_unit",
    "measurement.range_is_in_order",
    "fabry__kidney_course.creatinine_is_plausible",
    "fabry__kidney_course.egfr_is_known",
    "asthma__risk_features.eosinophils_are_plausible",
    "asthma__risk_features.a_controller_is_used",
    "asthma__risk_features.eosinophils_of_the_year_are_known",
}


def columns_of(table: str) -> list[str]:
    with duckdb.connect() as connection:
        return list(connection.sql(TABLES[table]).columns)


def without_values() -> list[str]:
    """Every row is there and names its person, and nothing else is known of it."""
    return [
        f"update {table} set {', '.join(f'{column} = null' for column in known)}"
        for table in TABLES.keys() - {"deliveries"}
        if (known := [column for column in columns_of(table) if column != "person_id"])
    ]


def of_suites(outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    return {name: o for name, o in outcomes.items() if o.source == "great_expectations"}


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return of_suites(run_tiny(tmp_path_factory.mktemp("unknown"), *without_values()))


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return run_tiny(tmp_path_factory.mktemp("well"))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return run_tiny(tmp_path_factory.mktemp("spoiled"), *SPOILED)


def test_a_hospital_that_is_well_passes_everything(well: dict[str, Outcome]) -> None:
    statuses = Counter((outcome.source, outcome.status) for outcome in well.values())

    assert statuses == {
        ("great_expectations", Status.PASSED): 88,
        ("great_expectations", Status.NOT_APPLICABLE): len(EMPTY),
        ("catalogue", Status.PASSED): 252,
        ("catalogue", Status.NOT_APPLICABLE): 1343,
    }


def test_what_is_not_applicable_to_it_says_why(well: dict[str, Outcome]) -> None:
    """The tiny hospital has few fields, and none of the concepts that DQD has a list for."""
    idle = [o for o in well.values() if o.status is Status.NOT_APPLICABLE]
    reasons = {
        re.sub(r" [a-z_]+\.[a-z_]+$", " <field>", o.message.removeprefix("nothing to check: "))
        for o in idle
    }

    assert reasons == {
        "there is no field <field>",
        "there is nothing that it looks at",
        "the field has no value",
        "nothing to check, as declared",
        "declared empty",
        # Twenty rows a table are too few for what chance may do.
        "fewer than 50 to look at",
        "fewer than 200 to look at",
        "fewer than 300 to look at",
    }
    assert {o.table for o in idle if o.message == "nothing to check, as declared"} == EMPTY.keys()
    assert {o.name for o in idle if o.message == "nothing to check: declared empty"} == {
        "condition_occurrence.stop_reason_is_filled",
        "measurement.value_as_concept_id_is_filled",
    }


def test_every_rule_is_broken_by_the_spoiled_hospital(spoiled: dict[str, Outcome]) -> None:
    rules = {name for name in of_suites(spoiled) if not name.endswith(".has_rows")}

    assert rules == EXPECTED.keys()


@pytest.mark.parametrize("name", COUNTED)
def test_checks_of_the_catalogue_are_counted(spoiled: dict[str, Outcome], name: str) -> None:
    outcome = spoiled[name]

    assert (outcome.violations, outcome.denominator) == COUNTED[name]
    assert outcome.source == "catalogue"


@pytest.mark.parametrize("name", EXPECTED)
def test_violations_are_counted(spoiled: dict[str, Outcome], name: str) -> None:
    outcome = spoiled[name]

    assert (outcome.violations, outcome.denominator) == EXPECTED[name]
    # Where a share is allowed, one row alone is no reason for a warning.
    shares = outcome.severity is Severity.WARN and outcome.threshold > 0
    alone = shares and outcome.violations == 1
    assert outcome.status is (Status.PASSED if alone else Status.FAILED)


def test_a_rule_does_not_pass_when_it_judged_no_row(unknown: dict[str, Outcome]) -> None:
    """Of ten persons with every value missing only their number is as it should be."""
    passed = {name for name, outcome in unknown.items() if outcome.status is Status.PASSED}

    assert passed == {f"{table}.has_rows" for table in TABLES.keys() - {"deliveries"}} | {
        "cdm_source.is_one_row"
    }


def test_what_is_not_applicable_was_declared_rule_by_rule(unknown: dict[str, Outcome]) -> None:
    idle = {name for name, outcome in unknown.items() if outcome.status is Status.NOT_APPLICABLE}

    # Death and the marts may be empty as tables: that says nothing of rows without their values.
    assert idle == MAY_LACK | {f"{table}.has_rows" for table in EMPTY}
    assert {o.message for o in unknown.values() if o.name in idle} == {
        "nothing to check, as declared"
    }


def test_completeness_is_broken_by_what_is_missing(unknown: dict[str, Outcome]) -> None:
    missing = {
        name: (outcome.violations, outcome.denominator)
        for name, outcome in unknown.items()
        if outcome.category == "completeness" and not name.endswith(".has_rows")
    }

    # No number, so no unit; no creatinine, so no eGFR; no row that is a year's.
    for name in (
        "measurement.number_has_a_unit",
        "measurement.fabry_test_has_a_unit",
        "fabry__kidney_course.egfr_is_known",
        "asthma__risk_features.a_controller_is_used",
        "asthma__risk_features.eosinophils_of_the_year_are_known",
    ):
        assert missing.pop(name) == (0, 0)
    assert missing["cdm_source.names_are_stated"] == (1, 1)
    assert missing["person.gender_is_known"] == (10, 10)
    assert [name for name, (broken, of) in missing.items() if broken != of or not of] == []


@pytest.mark.parametrize(
    "name",
    [
        "asthma__cohort.age_is_plausible",
        "gi_bleed__new_users.age_at_index_is_plausible",
    ],
)
def test_nothing_judged_closes_the_gate_where_it_is_not_declared(
    unknown: dict[str, Outcome], name: str
) -> None:
    assert name in " ".join(reasons_closed(list(unknown.values())))
    assert unknown[name].message == (
        "nothing to check, and it is not declared that there may be nothing"
    )


def test_every_table_has_rows_is_asked_and_every_category_is_there(
    well: dict[str, Outcome],
) -> None:
    tables = {outcome.table for outcome in well.values()}

    assert tables == {*TABLES, *EMPTY} - {"deliveries"}
    assert {f"{table}.has_rows" for table in tables} <= well.keys()
    assert {outcome.category for outcome in well.values()} == {
        "conformance",
        "completeness",
        "plausibility",
    }
    assert {outcome.source for outcome in well.values()} == {"great_expectations", "catalogue"}


def test_the_categories_that_are_declared_are_those_of_the_checks(well: dict[str, Outcome]) -> None:
    """Dagster knows its asset checks by them, before a suite is made."""
    found: dict[str, set[str]] = {}
    for outcome in well.values():
        found.setdefault(outcome.table, set()).add(outcome.category)

    assert {table: set(said) for table, said in expectations.categories().items()} == found


def test_what_closes_the_gate_is_what_can_t_be_in_any_hospital(well: dict[str, Outcome]) -> None:
    """Events before birth or after death, and what is missing, are reported and block nothing.

    Nor does a mart's day after the extract: a correction is known from the day of the delivery.
    """
    blocking = {name for name, outcome in well.items() if outcome.severity is Severity.ERROR}

    assert not {name for name in blocking if "mapped" in name or "known" in name} - {
        "condition_era.condition_concept_id_is_mapped",
        "drug_era.drug_concept_id_is_mapped",
    }
    assert {name for name in blocking if "is_not_before_birth" in name} == {
        "death.death_date_is_not_before_birth"
    }
    assert {f"{table}.{day}_is_not_too_high" for table, day in EVENTS.items()} <= blocking
    assert not {name for name in blocking if "is_not_after_extraction" in name}
