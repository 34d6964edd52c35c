{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('stg_' ~ target.schema ~ '__observation_periods') }}

)

select * from received
