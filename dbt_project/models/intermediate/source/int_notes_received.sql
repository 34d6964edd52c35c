{{ config(materialized='view') }}

{{ received('notes') }}
