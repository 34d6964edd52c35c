"""The layout of Synthea's CSV files: a network of clinics that codes in SNOMED, LOINC and RxNorm.

Rows have no numbers of their own, so a doubled row is the same row twice.
"""

from pumasi.simulate.writers.delivery import Writer

_PATIENT = "md5('patient ' || person)::uuid"
_ENCOUNTER = "md5('encounter ' || visit_id)::uuid"
_CODE = "coalesce(code, local_code)"
_NAME = "replace(term, '_', ' ')"

SYNTHEA_CSV = Writer(
    ending=".csv",
    options="format csv, header true",
    files={
        "patients": f"""
            select {_PATIENT} as "Id", birth_date as "BIRTHDATE", death_date as "DEATHDATE",
                'asian' as "RACE", 'nonhispanic' as "ETHNICITY",
                case when female then 'F' else 'M' end as "GENDER", 'Jeonbuk' as "STATE"
            from persons order by person
        """,
        "encounters": f"""
            select {_ENCOUNTER} as "Id", event_date || 'T09:00:00Z' as "START",
                end_date || 'T17:00:00Z' as "STOP", {_PATIENT} as "PATIENT",
                case kind when 'outpatient' then 'ambulatory' else kind end as "ENCOUNTERCLASS",
                null as "CODE", specialty as "DESCRIPTION"
            from visits order by row_id
        """,
        "conditions": f"""
            select event_date as "START", null as "STOP", {_PATIENT} as "PATIENT",
                {_ENCOUNTER} as "ENCOUNTER", {_CODE} as "CODE", {_NAME} as "DESCRIPTION"
            from conditions order by row_id
        """,
        "medications": f"""
            select event_date || 'T09:00:00Z' as "START",
                (event_date + greatest(days_supply, 1) - 1) || 'T09:00:00Z' as "STOP",
                {_PATIENT} as "PATIENT", {_ENCOUNTER} as "ENCOUNTER", {_CODE} as "CODE",
                {_NAME} as "DESCRIPTION", 1 as "DISPENSES"
            from drugs order by row_id
        """,
        "observations": f"""
            select event_date || 'T09:00:00Z' as "DATE", {_PATIENT} as "PATIENT",
                {_ENCOUNTER} as "ENCOUNTER", 'laboratory' as "CATEGORY", {_CODE} as "CODE",
                {_NAME} as "DESCRIPTION", coalesce(value::varchar, upper(value_term)) as "VALUE",
                unit as "UNITS", case when value is null then 'text' else 'numeric' end as "TYPE"
            from measurements
            union all
            select event_date || 'T09:00:00Z', {_PATIENT}, {_ENCOUNTER}, 'social-history',
                {_CODE}, {_NAME}, null, null, 'text'
            from observations
            order by all
        """,
        "procedures": f"""
            select event_date || 'T09:00:00Z' as "START", event_date || 'T10:00:00Z' as "STOP",
                {_PATIENT} as "PATIENT", {_ENCOUNTER} as "ENCOUNTER", {_CODE} as "CODE",
                {_NAME} as "DESCRIPTION"
            from procedures order by row_id
        """,
    },
)
