{{ settled_records('locations', [
    'state',
    'county',
    'country_concept_id',
    'country_source_value',
]) }}
