-- What a person's months hold, side by side.
with

person_months as (

    select * from {{ ref('asthma__int_person_months') }}

),

{% set parts = {
    'visit': 'visits last_visit_date',
    'attack': 'attacks acute_visits last_attack_date last_attack_end_date',
    'steroid': 'oral_steroids oral_steroid_days steroid_injections '
        ~ 'maintenance_steroids',
    'fill': 'saba_canisters ics_fills controller_fills',
    'covered': 'ics_days laba_days lama_days ltra_days xanthine_days '
        ~ 'biologic_days',
    'stay': 'stay_days covered_stay_days',
    'value': 'eosinophils highest_eosinophils feno fev1_percent fev1_fvc '
        ~ 'total_ige act_score body_mass_index',
    'outcome': 'exacerbations acute_exacerbations',
} -%}
{% set counts = [
    'visits', 'attacks', 'acute_visits', 'oral_steroids', 'oral_steroid_days',
    'steroid_injections', 'maintenance_steroids', 'saba_canisters',
    'ics_fills', 'controller_fills', 'ics_days', 'laba_days', 'lama_days',
    'ltra_days', 'xanthine_days', 'biologic_days', 'stay_days',
    'covered_stay_days', 'exacerbations', 'acute_exacerbations',
] -%}
{% for part in parts -%}
{{ part }}_months as (

    select * from {{ ref('asthma__int_' ~ part ~ '_months') }}

),

{% endfor -%}
months as (

    select
        person_months.person_id,
        person_months.month_index,
        {% for part, columns in parts.items() %}
        {% for column in columns.split() %}
        {% if column in counts %}
        coalesce({{ part }}_months.{{ column }}, 0) as {{ column }},
        {% else %}
        {{ part }}_months.{{ column }},
        {% endif %}
        {% endfor %}
        {% endfor %}
        {{ month_start('person_months.month_index') }} as month_date

    from person_months
    {% for part in parts %}
    left join {{ part }}_months
        on
            person_months.person_id = {{ part }}_months.person_id
            and person_months.month_index = {{ part }}_months.month_index
    {% endfor %}
)

select * from months
