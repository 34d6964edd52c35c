with

source as (

    select * from {{ source('hospital_csv', 'orders') }}

),

local_routes as (

    select
        code,
        standard_concept_id
    from {{ ref('stg_vocabulary__codes_mapped') }}

    where
        vocabulary_id = 'LOCAL_ROUTE'
        and target_no = 1

),

renamed as (

    select
        -- place
        source.delivery_id,
        'orders' as source_table,
        source.file_no,
        source.line_no,
        0 as part,

        -- record
        source.order_no as record_id,
        {{ content_hash('source') }} as content_hash,
        cast(null as varchar) as source_version,
        source.patient_no as person_id,
        source.encounter_no as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        source.ordered_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(source.recorded_datetime as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'LOCAL_ORDER' as vocabulary_id,
        source.order_code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as date) as verbatim_end_date,
        cast(null as integer) as refills,
        source.quantity,
        source.days as days_supply,
        local_routes.standard_concept_id as route_concept_id

    from source

    left join local_routes
        on source.route = local_routes.code

)

select * from renamed
