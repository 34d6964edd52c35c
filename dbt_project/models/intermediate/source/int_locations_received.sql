{{ config(materialized='view') }}

{{ received('locations') }}
