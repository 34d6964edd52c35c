{# The comorbidities that asthma__risk_features has, each a concept set. -#}
{% macro asthma_comorbidities() -%}
    {{ return([
        'allergic_rhinitis', 'chronic_sinusitis', 'nasal_polyp',
        'atopic_dermatitis', 'gerd', 'obesity', 'sleep_apnea', 'depression',
        'pneumonia', 'copd',
    ]) }}
{%- endmacro %}
