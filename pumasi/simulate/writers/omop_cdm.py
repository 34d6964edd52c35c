"""OMOP CDM 5.4 as parquet: the hospital's own conversion, in standard concepts.

It states no day of recording, as the CDM has no column for it. Its observation periods run from the
first visit to the end of the extract, so that each delivery has all of them, an incremental one
too: all of them have changed.
"""

from pumasi.omop.project import PROJECT_VOCABULARY
from pumasi.simulate.writers.delivery import Writer

# OMOP's type concept of what was taken from a hospital's system.
EHR = 32817

# The hospital's own word about its conversion.
ABOUT = """\
cdm_source_name,cdm_source_abbreviation,cdm_holder,source_release_date,cdm_release_date,\
cdm_version,vocabulary_version
Bada Hospital (simulated),bada,Bada Hospital,{through},{as_of},5.4,project
"""

OMOP_CDM = Writer(
    ending=".parquet",
    options="format parquet, compression zstd, row_group_size 122880",
    once={"cdm_source.csv": ABOUT},
    copied=(PROJECT_VOCABULARY,),
    files={
        "person": """
            select person as person_id, case when female then 8532 else 8507 end
                    as gender_concept_id,
                year(birth_date)::integer as year_of_birth,
                month(birth_date)::integer as month_of_birth, day(birth_date)::integer
                    as day_of_birth,
                0 as race_concept_id, 0 as ethnicity_concept_id,
                case when female then 'F' else 'M' end as gender_source_value
            from persons order by person
        """,
        "observation_period": f"""
            select person as observation_period_id, person as person_id,
                registered_date as observation_period_start_date,
                least(coalesce(death_date, cut_through()), cut_through())
                    as observation_period_end_date,
                {EHR} as period_type_concept_id
            from known order by person
        """,
        "visit_occurrence": f"""
            select row_id as visit_occurrence_id, person as person_id,
                case kind when 'inpatient' then 9201 when 'emergency' then 9203 else 9202 end
                    as visit_concept_id,
                event_date as visit_start_date, end_date as visit_end_date,
                {EHR} as visit_type_concept_id, 0 as visit_source_concept_id
            from visits order by row_id
        """,
        "condition_occurrence": f"""
            select row_id as condition_occurrence_id, person as person_id,
                concept_id as condition_concept_id, event_date as condition_start_date,
                null::date as condition_end_date, {EHR} as condition_type_concept_id,
                null::integer as condition_status_concept_id, visit_id as visit_occurrence_id,
                kcd as condition_source_value, 0 as condition_source_concept_id
            from conditions order by row_id
        """,
        "drug_exposure": f"""
            select row_id as drug_exposure_id, person as person_id, concept_id as drug_concept_id,
                event_date as drug_exposure_start_date,
                event_date + greatest(days_supply, 1) - 1 as drug_exposure_end_date,
                {EHR} as drug_type_concept_id, quantity, days_supply, route_id as route_concept_id,
                visit_id as visit_occurrence_id, local_code as drug_source_value,
                0 as drug_source_concept_id
            from drugs order by row_id
        """,
        "procedure_occurrence": f"""
            select row_id as procedure_occurrence_id, person as person_id,
                concept_id as procedure_concept_id, event_date as procedure_date,
                {EHR} as procedure_type_concept_id, visit_id as visit_occurrence_id,
                local_code as procedure_source_value, 0 as procedure_source_concept_id
            from procedures where term <> 'spirometry' order by row_id
        """,
        "measurement": f"""
            select row_id as measurement_id, person as person_id,
                concept_id as measurement_concept_id, event_date as measurement_date,
                {EHR} as measurement_type_concept_id, value as value_as_number,
                value_concept_id as value_as_concept_id, unit_id as unit_concept_id,
                visit_id as visit_occurrence_id, local_code as measurement_source_value,
                0 as measurement_source_concept_id, unit as unit_source_value,
                null::varchar as value_source_value
            from measurements
            union all
            -- Spirometry is a measurement to the vocabulary.
            select row_id + 10000000, person, concept_id, event_date, {EHR}, null, null, null,
                visit_id, local_code, 0, null, null
            from procedures where term = 'spirometry'
            order by 1
        """,
        "observation": f"""
            select row_id as observation_id, person as person_id,
                concept_id as observation_concept_id, event_date as observation_date,
                {EHR} as observation_type_concept_id, null::double as value_as_number,
                null::varchar as value_as_string, null::integer as value_as_concept_id,
                null::integer as unit_concept_id, visit_id as visit_occurrence_id,
                local_code as observation_source_value, 0 as observation_source_concept_id,
                null::varchar as unit_source_value
            from observations order by row_id
        """,
        "death": f"""
            select person as person_id, event_date as death_date, {EHR} as death_type_concept_id
            from deaths order by person
        """,
    },
)
