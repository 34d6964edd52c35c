{{ config(materialized='view') }}

{{ received('costs') }}
