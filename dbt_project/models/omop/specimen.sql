with

specimens as (

    select * from {{ ref('int_specimens') }}

),

final as (

    select
        specimen_id,
        person_id,
        specimen_concept_id,
        specimen_type_concept_id,
        specimen_date,
        specimen_datetime,
        quantity,
        unit_concept_id,
        anatomic_site_concept_id,
        disease_status_concept_id,
        specimen_source_id,
        specimen_source_value,
        unit_source_value,
        anatomic_site_source_value,
        disease_status_source_value

    from specimens

)

select * from final
