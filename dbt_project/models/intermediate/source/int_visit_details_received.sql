{{ config(materialized='view') }}

{{ received('visit_details') }}
