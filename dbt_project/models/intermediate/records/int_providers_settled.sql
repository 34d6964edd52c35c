{{ settled_records('providers', [
    'specialty_concept_id',
    'care_site_id',
    'gender_concept_id',
    'specialty_source_value',
    'specialty_source_concept_id',
    'gender_source_value',
    'gender_source_concept_id',
]) }}
