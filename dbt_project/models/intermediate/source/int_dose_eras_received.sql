{{ config(materialized='view') }}

{{ received('dose_eras') }}
