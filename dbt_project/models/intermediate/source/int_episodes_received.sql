{{ config(materialized='view') }}

{{ received('episodes') }}
