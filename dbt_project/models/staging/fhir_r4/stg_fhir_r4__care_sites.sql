-- Who insures or pays is an Organization too, but no place of care. Where an
-- organization lies is known if all of its locations are one.
with

source as (

    select * from {{ source('fhir_r4', 'organization') }}

),

locations as (

    select * from {{ source('fhir_r4', 'location') }}

),

only_locations as (

    select
        care_site_id,
        min(location_id) as location_id

    from locations

    where care_site_id is not null

    group by care_site_id

    having count(distinct location_id) = 1

),

renamed as (

    select
        -- place
        source.delivery_id,
        'organization' as source_table,
        source.file_no,
        source.line_no,

        -- record
        source.care_site_id as record_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,
        case when source.type_code in ('ins', 'pay') then 'no_place_of_care' end
            as exclusion_rule,

        -- care site
        source.name as care_site_name,
        cast(null as integer) as place_of_service_concept_id,
        only_locations.location_id,
        source.type_code as place_of_service_source_value

    from source

    left join only_locations
        on source.care_site_id = only_locations.care_site_id

)

select * from renamed
