"""Every rule of every suite: silent on a hospital that is well, and counting on one that is not."""

from __future__ import annotations

import duckdb
import pytest

import expectations
from pumasi.quality import Outcome, Severity, Status, reasons_closed
from tests.expectations.tiny import TABLES, write_tiny_candidate

# A day after the extraction, before birth, more than 60 days after the death of person 10.
FUTURE, UNBORN, POSTHUMOUS = "date '2021-01-01'", "date '1950-05-31'", "date '2020-07-31' + 1"


def spoil(table: str, key: str, **values: str) -> str:
    assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
    return f"update {table} set {assignments} where {key}"


def spoil_times(table: str, start: str, end: str | None = None) -> list[str]:
    """One row after the extraction, one before birth, one after death; and one that ends early."""
    key = f"{table}_id"
    changes = [
        spoil(table, f"{key} = 1", **{start: FUTURE}),
        spoil(table, f"{key} = 10", **{start: UNBORN}),
        spoil(table, f"{key} = 19", **{start: POSTHUMOUS}),
    ]
    if end is not None:
        early = {start: "date '2015-03-01'", end: "date '2015-02-28'"}
        changes.append(spoil(table, f"{key} in (3, 4, 5)", **early))
    return changes


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
    spoil("person", "person_id = 2", year_of_birth="1899", gender_concept_id="0"),
    spoil("person", "person_id = 3", month_of_birth="13"),
    "delete from observation_period where person_id = 9",
    spoil("observation_period", "observation_period_id = 0",
          observation_period_end_date="date '2009-01-01'"),
    spoil("observation_period", "observation_period_id = 3",
          observation_period_start_date="date '2015-12-31'"),
    spoil("observation_period", "observation_period_id = 5",
          observation_period_end_date=FUTURE),
    spoil("observation_period", "observation_period_id = 6",
          observation_period_start_date="date '1900-01-01'"),
    "insert into death values (4, date '1940-01-01'), (5, date '2021-01-01'), "
    "(6, date '2200-01-01')",
    *spoil_times("visit_occurrence", "visit_start_date", "visit_end_date"),
    spoil("visit_occurrence", "visit_occurrence_id in (7, 8)",
          visit_end_date="visit_start_date + 367", visit_concept_id="0"),
    *spoil_times("condition_occurrence", "condition_start_date", "condition_end_date"),
    spoil("condition_occurrence", "condition_occurrence_id in (7, 8)",
          condition_concept_id="null", visit_occurrence_id="null"),
    *spoil_times("drug_exposure", "drug_exposure_start_date", "drug_exposure_end_date"),
    spoil("drug_exposure", "drug_exposure_id in (7, 8)", drug_concept_id="0",
          visit_occurrence_id="null", days_supply="366", refills="-1", quantity="-0.5"),
    *spoil_times("procedure_occurrence", "procedure_date", "procedure_end_date"),
    spoil("procedure_occurrence", "procedure_occurrence_id in (7, 8)", procedure_concept_id="0",
          visit_occurrence_id="null"),
    *spoil_times("measurement", "measurement_date"),
    spoil("measurement", "measurement_id in (7, 8)", measurement_concept_id="0",
          visit_occurrence_id="null", unit_concept_id="0", range_low="3"),
    spoil("measurement", "measurement_id in (15, 16)", value_source_value="null"),
    *spoil_times("observation", "observation_date"),
    spoil("observation", "observation_id in (7, 8)", observation_concept_id="0",
          visit_occurrence_id="null"),
    spoil("condition_era", "condition_era_id = 1", condition_concept_id="0",
          condition_occurrence_count="0"),
    spoil("condition_era", "condition_era_id = 10", condition_era_start_date=UNBORN),
    spoil("condition_era", "condition_era_id = 3", condition_era_end_date="date '2014-01-01'"),
    spoil("drug_era", "drug_era_id = 1", drug_concept_id="0", drug_exposure_count="0",
          gap_days="31"),
    spoil("drug_era", "drug_era_id = 10", drug_era_start_date=UNBORN),
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
    spoil("asthma__risk_features", "person_id = 1", last_eosinophils="0.3"),
    spoil("asthma__risk_features", "person_id = 2", has_exacerbation_12m="null"),
]  # fmt: skip

EVENTS = {
    "visit_occurrence": ("visit_start_date", "visit_end_date"),
    "condition_occurrence": ("condition_start_date", "condition_end_date"),
    "drug_exposure": ("drug_exposure_start_date", "drug_exposure_end_date"),
    "procedure_occurrence": ("procedure_date", "procedure_end_date"),
    "measurement": ("measurement_date", None),
    "observation": ("observation_date", None),
}

# Violations and denominator of every check on the spoiled hospital, counted by hand.
EXPECTED = {
    "person.year_of_birth_is_plausible": (1, 10),
    "person.month_of_birth_is_a_month": (1, 10),
    "person.gender_is_known": (1, 10),
    "person.has_an_observation_period": (1, 10),
    "observation_period.end_is_not_before_start": (1, 18),
    "observation_period.periods_do_not_overlap": (1, 9),  # of those with one before
    "observation_period.end_is_not_after_extraction": (1, 18),
    "observation_period.start_is_not_before_birth": (1, 18),
    # Of the periods of the four dead: both of person 4, who died in 1940.
    "observation_period.end_is_not_after_death": (2, 8),
    "death.death_date_is_not_before_birth": (1, 4),
    "death.death_date_is_not_after_extraction": (2, 4),
    "death.age_at_death_is_plausible": (1, 4),
    "visit_occurrence.stay_is_at_most_a_year": (3, 20),  # 7, 8, and 10, which begins in 1950
    "visit_occurrence.visit_concept_id_is_mapped": (2, 20),
    "condition_occurrence.condition_concept_id_is_mapped": (2, 20),
    "condition_occurrence.visit_is_known": (2, 20),
    "drug_exposure.days_supply_is_plausible": (2, 10),
    "drug_exposure.refills_are_plausible": (2, 20),
    "drug_exposure.quantity_is_not_negative": (2, 20),
    "drug_exposure.drug_concept_id_is_mapped": (2, 20),
    "drug_exposure.visit_is_known": (2, 20),
    "procedure_occurrence.procedure_concept_id_is_mapped": (2, 20),
    "procedure_occurrence.visit_is_known": (2, 20),
    "measurement.has_a_value": (2, 20),
    "measurement.unit_concept_id_is_mapped": (2, 15),
    "measurement.range_is_in_order": (2, 20),
    "measurement.measurement_concept_id_is_mapped": (2, 20),
    "measurement.visit_is_known": (2, 20),
    "observation.observation_concept_id_is_mapped": (2, 20),
    "observation.visit_is_known": (2, 20),
    "condition_era.end_is_not_before_start": (1, 20),
    "condition_era.is_made_of_something": (1, 20),
    "condition_era.start_is_not_before_birth": (1, 20),
    "condition_era.concept_is_known": (1, 20),
    "drug_era.end_is_not_before_start": (1, 20),
    "drug_era.is_made_of_something": (1, 20),
    "drug_era.start_is_not_before_birth": (1, 20),
    "drug_era.concept_is_known": (1, 20),
    "drug_era.gaps_fit_into_the_era": (2, 20),  # 1, and 3, which ends before it begins
    "cdm_source.is_one_row": (2, 2),
    "cdm_source.names_are_stated": (1, 2),
    "cdm_source.source_release_is_not_after_cdm_release": (1, 2),
    "asthma__cohort.split_key_is_in_range": (1, 10),
    "asthma__cohort.age_is_plausible": (1, 10),
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
for _table, (_start, _end) in EVENTS.items():
    EXPECTED |= {
        f"{_table}.{_start}_is_not_after_extraction": (1, 20),
        f"{_table}.{_start}_is_not_before_birth": (1, 20),
        # 19, and 3 and 13 of person 4, who died in 1940; of the events of the four dead.
        f"{_table}.{_start}_is_not_after_death": (3, 8),
        # 1, 10, 19, and 8 and 18 of person 9, who is never observed.
        f"{_table}.{_start}_is_in_observation": (5, 20),
    }
    if _end is not None:
        # 3, 4, 5, and 1 and 19, whose start was put off; every second condition has no end.
        EXPECTED[f"{_table}.{_end}_is_not_before_start"] = (
            (4, 10) if _table == "condition_occurrence" else (5, 20)
        )


# What a source may not record, or may not have: declared rule by rule.
MAY_LACK = {
    "person.month_of_birth_is_a_month",
    "observation_period.periods_do_not_overlap",
    "observation_period.end_is_not_after_death",
    "condition_occurrence.condition_end_date_is_not_before_start",
    "procedure_occurrence.procedure_end_date_is_not_before_start",
    "drug_exposure.days_supply_is_plausible",
    "drug_exposure.refills_are_plausible",
    "drug_exposure.quantity_is_not_negative",
    "measurement.unit_concept_id_is_mapped",
    "measurement.range_is_in_order",
    "fabry__kidney_course.creatinine_is_plausible",
    "fabry__kidney_course.egfr_is_known",
    "asthma__risk_features.eosinophils_are_plausible",
    *(f"{table}.{start}_is_not_after_death" for table, (start, _) in EVENTS.items()),
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


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = write_tiny_candidate(tmp_path_factory.mktemp("unknown"), *without_values())
    return {outcome.name: outcome for outcome in expectations.run(folder)}


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = write_tiny_candidate(tmp_path_factory.mktemp("well"))
    return {outcome.name: outcome for outcome in expectations.run(folder)}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = write_tiny_candidate(tmp_path_factory.mktemp("spoiled"), *SPOILED)
    return {outcome.name: outcome for outcome in expectations.run(folder)}


def test_a_hospital_that_is_well_passes_everything(well: dict[str, Outcome]) -> None:
    assert [o for o in well.values() if o.status is not Status.PASSED] == []
    assert len(well) == 130


def test_every_rule_is_broken_by_the_spoiled_hospital(spoiled: dict[str, Outcome]) -> None:
    rules = {name for name in spoiled if not name.endswith(".has_rows")}

    assert rules == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_violations_are_counted(spoiled: dict[str, Outcome], name: str) -> None:
    outcome = spoiled[name]

    assert (outcome.violations, outcome.denominator) == EXPECTED[name]
    assert outcome.status is Status.FAILED


def test_a_rule_does_not_pass_when_it_judged_no_row(unknown: dict[str, Outcome]) -> None:
    """Of ten persons with every value missing only their number is as it should be."""
    passed = {name for name, outcome in unknown.items() if outcome.status is Status.PASSED}

    assert passed == {f"{table}.has_rows" for table in TABLES.keys() - {"deliveries"}} | {
        "cdm_source.is_one_row"
    }


def test_what_is_not_applicable_was_declared_rule_by_rule(unknown: dict[str, Outcome]) -> None:
    idle = {name for name, outcome in unknown.items() if outcome.status is Status.NOT_APPLICABLE}

    # Death and the marts may be empty as tables: that says nothing of rows without their values.
    assert idle == MAY_LACK
    assert {o.message for o in unknown.values() if o.name in idle} == {
        "nothing to check, as declared"
    }


def test_completeness_is_broken_by_what_is_missing(unknown: dict[str, Outcome]) -> None:
    missing = {
        name: (outcome.violations, outcome.denominator)
        for name, outcome in unknown.items()
        if outcome.category == "completeness" and not name.endswith(".has_rows")
    }

    assert missing.pop("measurement.unit_concept_id_is_mapped") == (0, 0)  # no number, no unit
    assert missing.pop("fabry__kidney_course.egfr_is_known") == (0, 0)  # no creatinine, no eGFR
    assert missing["cdm_source.names_are_stated"] == (1, 1)
    assert missing["person.gender_is_known"] == (10, 10)
    assert [name for name, (broken, of) in missing.items() if broken != of or not of] == []


@pytest.mark.parametrize(
    "name", ["person.year_of_birth_is_plausible", "gi_bleed__new_users.age_at_index_is_plausible"]
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

    assert len(tables) == 23
    assert {f"{table}.has_rows" for table in tables} <= well.keys()
    assert {outcome.category for outcome in well.values()} == {
        "conformance",
        "completeness",
        "plausibility",
    }
    assert {outcome.source for outcome in well.values()} == {"great_expectations"}


def test_the_categories_that_are_declared_are_those_of_the_suites(well: dict[str, Outcome]) -> None:
    """Dagster knows its asset checks by them, before a suite is made."""
    found: dict[str, set[str]] = {}
    for outcome in well.values():
        found.setdefault(outcome.table, set()).add(outcome.category)

    assert {table: set(said) for table, said in expectations.CATEGORIES.items()} == found


def test_what_closes_the_gate_is_what_can_t_be_in_any_hospital(well: dict[str, Outcome]) -> None:
    """Events before birth or after death, and what is missing, are reported and block nothing.

    Nor does a mart's day after the extract: a correction is known from the day of the delivery.
    """
    blocking = {name for name, outcome in well.items() if outcome.severity is Severity.ERROR}

    assert not {name for name in blocking if "mapped" in name or "known" in name} - {
        "condition_era.concept_is_known",
        "drug_era.concept_is_known",
    }
    assert {name for name in blocking if "is_not_before_birth" in name} == {
        "death.death_date_is_not_before_birth"
    }
    late = {name for name in well if "is_not_after_extraction" in name}
    assert {name.partition(".")[0] for name in late - blocking} == {
        *DAYS,
        "asthma__cohort",
        "asthma__exacerbations",
        "gi_bleed__new_users",
    }
