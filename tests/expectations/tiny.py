"""A candidate of ten persons of whom everything is as it should be, and ways to spoil it.

Its OMOP tables have few of the fields of the CDM: enough for every suite, and for what is asked of
the catalogue here. Its vocabulary knows the concepts that it uses and no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import duckdb

import expectations
from pumasi.omop.cdm import cdm_tables
from pumasi.quality import Outcome

_PERSON_ID = "1 + i % 10 as person_id"
_DAY = "date '2015-01-01' + i::integer"
# Of the project's vocabulary: lyso-Gb3 in serum, and its unit.
LYSO_GB3, NG_PER_ML = 2000000001, 8842

TABLES = {
    "deliveries": "select 'd1' as delivery_id, date '2020-12-31' as extracted_through",
    "person": """
        select 1 + i as person_id, 8507 + 25 * (i % 2) as gender_concept_id,
            1950 + i as year_of_birth, 6 as month_of_birth from range(10) r(i)
    """,
    "observation_period": """
        select i as observation_period_id, 1 + i // 2 as person_id,
            case when i % 2 = 0 then date '2010-01-01' else date '2016-01-02' end
                as observation_period_start_date,
            case when i % 2 = 0 then date '2015-12-31' when i = 19 then date '2020-06-30'
                else date '2020-12-31' end as observation_period_end_date from range(20) r(i)
    """,
    "death": "select 10 as person_id, date '2020-06-01' as death_date",
    "visit_occurrence": f"""
        select i as visit_occurrence_id, {_PERSON_ID},
            if(i < 10, 9201, 9202) as visit_concept_id,
            {_DAY} as visit_start_date, {_DAY} as visit_end_date from range(20) r(i)
    """,
    "condition_occurrence": f"""
        select i as condition_occurrence_id, {_PERSON_ID}, 1000 + i as condition_concept_id,
            {_DAY} as condition_start_date, case when i < 10 then {_DAY} end as condition_end_date,
            if(i < 5, 'J45', 'J45.0') as condition_source_value, null::varchar as stop_reason,
            i as visit_occurrence_id from range(20) r(i)
    """,
    "drug_exposure": f"""
        select i as drug_exposure_id, {_PERSON_ID}, 2000 + i as drug_concept_id,
            {_DAY} as drug_exposure_start_date, {_DAY} + 30 as drug_exposure_end_date,
            case when i < 10 then 30 end as days_supply, 1 as refills, 1.5 as quantity,
            i as visit_occurrence_id from range(20) r(i)
    """,
    "procedure_occurrence": f"""
        select i as procedure_occurrence_id, {_PERSON_ID}, 3000 + i as procedure_concept_id,
            {_DAY} as procedure_date, {_DAY} as procedure_end_date,
            i as visit_occurrence_id from range(20) r(i)
    """,
    "measurement": f"""
        select i as measurement_id, {_PERSON_ID},
            if(i < 2, {LYSO_GB3}, 4000 + i) as measurement_concept_id,
            {_DAY} as measurement_date, case when i < 15 then 3.5 end as value_as_number,
            case when i < 2 then {NG_PER_ML} when i < 15 then 8840 end as unit_concept_id,
            0.5 as range_low, 2.5 as range_high, null::integer as value_as_concept_id,
            case when i >= 15 then 'positive' end as value_source_value,
            i as visit_occurrence_id from range(20) r(i)
    """,
    "observation": f"""
        select i as observation_id, {_PERSON_ID}, 5000 + i as observation_concept_id,
            {_DAY} as observation_date, i as visit_occurrence_id from range(20) r(i)
    """,
    "condition_era": f"""
        select i as condition_era_id, {_PERSON_ID}, 1000 as condition_concept_id,
            {_DAY} as condition_era_start_date, {_DAY} + 5 as condition_era_end_date,
            1 as condition_occurrence_count from range(20) r(i)
    """,
    "drug_era": f"""
        select i as drug_era_id, {_PERSON_ID}, 2100 as drug_concept_id,
            {_DAY} as drug_era_start_date, {_DAY} + 30 as drug_era_end_date,
            1 as drug_exposure_count, 0 as gap_days from range(20) r(i)
    """,
    "cdm_source": """
        select 'Tiny' as cdm_source_name, 'Tiny hospital' as cdm_holder,
            'v5.0' as vocabulary_version, date '2021-01-01' as source_release_date,
            date '2021-01-02' as cdm_release_date
    """,
    "asthma__cohort": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as any_asthma_date from range(10) r(i)
    """,
    "asthma__exacerbations": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as episode_start_date,
            {_DAY} + 3 as episode_end_date from range(10) r(i)
    """,
    "gi_bleed__new_users": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as index_date, 65 as age_at_index,
            true as is_female, case when i < 6 then false end as has_gi_bleed_365
        from range(10) r(i)
    """,
    "core__charlson": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as known_date from range(10) r(i)
    """,
    "core__comedication": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as episode_start_date
        from range(10) r(i)
    """,
    "fabry__kidney_course": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as measured_date,
            1::double as creatinine, 40 as age_at_measurement,
            90::double as egfr from range(10) r(i)
    """,
    "fabry__evidence": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as event_date from range(10) r(i)
    """,
    "fabry__cohort": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as suspicion_date from range(10) r(i)
    """,
    "fabry__screening_features": f"""
        select {_PERSON_ID}, i::integer as split_key, 65 as age_at_index, true as is_female,
            case when i < 2 then false end as has_fabry_5y from range(10) r(i)
    """,
    "asthma__treatment_episodes": f"""
        select {_PERSON_ID}, i::integer as split_key, {_DAY} as episode_start_date,
            case when i = 9 then 'gina_step' else 'inhaler' end as kind from range(10) r(i)
    """,
    "asthma__risk_features": f"""
        select {_PERSON_ID}, i::integer as split_key, 65 as age_at_index, true as is_female,
            200::double as last_eosinophils, case when i < 6 then false end as has_exacerbation_12m,
            i < 8 as is_yearly_index, i = 0 as uses_ics, false as uses_biologic,
            false as uses_maintenance_steroid, i = 0 as eosinophils_are_known from range(10) r(i)
    """,
}


# Concepts by what they are; each is standard and valid.
_CONCEPTS = {
    ("Gender", "Gender"): "select unnest([8507, 8532])",
    ("Visit", "Visit"): "select unnest([9201, 9202])",
    ("Unit", "Unit"): f"select unnest([8840, {NG_PER_ML}])",
    ("Condition", "Disorder"): "select unnest(range(1000, 1020))",
    ("Drug", "Clinical Drug"): "select unnest(range(2000, 2020))",
    ("Drug", "Ingredient"): "select 2100",
    ("Procedure", "Procedure"): "select unnest(range(3000, 3020))",
    ("Measurement", "Lab Test"): f"select unnest(range(4000, 4020)) union all select {LYSO_GB3}",
    ("Observation", "Clinical Observation"): "select unnest(range(5000, 5020))",
}
VOCABULARY = {
    "concept": " union all ".join(
        f"select concept_id, '{domain}' as domain_id, '{class_}' as concept_class_id,"
        f" 'S' as standard_concept, null::varchar as invalid_reason from ({ids}) as c(concept_id)"
        for (domain, class_), ids in _CONCEPTS.items()
    ),
    "concept_ancestor": """
        select 1000 as ancestor_concept_id, 1000 + i as descendant_concept_id from range(20) r(i)
    """,
}
# What the tiny hospital has no value of in any row.
DECLARED = frozenset(
    {("condition_occurrence", "stop_reason"), ("measurement", "value_as_concept_id")}
)


# The other tables of the CDM are there too, without a row.
EMPTY = {
    name: f"select {', '.join(f'null::bigint as {f.name}' for f in table.fields)} where false"
    for name, table in cdm_tables().items()
    if table.schema != "VOCAB" and name not in TABLES
}


def write_tiny_candidate(folder: Path, *changes: str) -> Path:
    """Write the candidate after the SQL statements in `changes`; return its folder."""
    return _write(folder / "candidate", {**TABLES, **EMPTY}, changes)


def write_tiny_vocabulary(folder: Path, *changes: str) -> Path:
    """Write the vocabulary after the SQL statements in `changes`; return its folder."""
    return _write(folder / "vocabulary", VOCABULARY, changes)


def run_tiny(
    folder: Path,
    *changes: str,
    declared: Collection[tuple[str, str]] = DECLARED,
    may_be_empty: Collection[str] = expectations.MAY_BE_EMPTY,
) -> dict[str, Outcome]:
    """Check the candidate after the `changes`, beside the vocabulary; outcomes by their names."""
    candidate, vocabulary = write_tiny_candidate(folder, *changes), write_tiny_vocabulary(folder)
    found = expectations.run(candidate, vocabulary, declared, may_be_empty)
    return {outcome.name: outcome for outcome in found}


def _write(folder: Path, tables: Mapping[str, str], changes: Iterable[str]) -> Path:
    folder.mkdir()
    with duckdb.connect() as connection:
        for table, query in tables.items():
            connection.execute(f'create table "{table}" as {query}')
        for change in changes:
            connection.execute(change)
        for table in tables:
            connection.table(table).write_parquet(str(folder / f"{table}.parquet"))
    return folder
