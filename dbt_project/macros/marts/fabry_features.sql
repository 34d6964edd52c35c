{#
    The features of the past that fabry__screening_features has, and those that
    show an organ system to be involved. A test holds them against the seed
    fabry_features.
-#}
{% macro fabry_features() -%}
    {{ return(fabry_organ_features().values() | sum(start=[]) + [
        'neuropathic_drug_before_40', 'multiple_sclerosis', 'rheumatic_decoy',
        'fatigue', 'depression', 'diabetes', 'hypertension',
    ]) }}
{%- endmacro %}

{% macro fabry_organ_features() -%}
    {{ return({
        'nerve': ['neuropathic_pain', 'limb_pain'],
        'skin': ['anhidrosis', 'angiokeratoma'],
        'eye': ['cornea_verticillata'],
        'gut': ['gut_complaint_before_30'],
        'ear': ['ear_complaint_before_50'],
        'kidney': [
            'proteinuria', 'glomerular_disease', 'chronic_kidney_disease',
            'dialysis',
        ],
        'heart': [
            'left_ventricular_hypertrophy', 'hypertrophic_cardiomyopathy',
            'heart_failure', 'arrhythmia',
        ],
        'brain': ['stroke_or_tia_before_55'],
    }) }}
{%- endmacro %}
