{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('stg_' ~ target.schema ~ '__observations') }}

)

select * from received
