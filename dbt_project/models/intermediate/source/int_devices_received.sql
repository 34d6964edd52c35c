{{ config(materialized='view') }}

{{ received('devices') }}
