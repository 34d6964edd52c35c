{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('stg_' ~ target.schema ~ '__cdm_sources') }}

)

select * from received
