{{ config(materialized='view') }}

{{ received('specimens') }}
