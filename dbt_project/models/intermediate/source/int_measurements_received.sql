{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('stg_' ~ target.schema ~ '__measurements') }}

)

select * from received
