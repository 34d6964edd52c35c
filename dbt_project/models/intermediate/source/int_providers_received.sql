{{ config(materialized='view') }}

{{ received('providers') }}
