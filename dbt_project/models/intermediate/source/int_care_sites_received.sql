{{ config(materialized='view') }}

{{ received('care_sites') }}
