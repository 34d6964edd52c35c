{{ config(materialized='view') }}

{{ received('payer_plan_periods') }}
