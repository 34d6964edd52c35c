{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('stg_' ~ target.schema ~ '__conditions') }}

)

select * from received
