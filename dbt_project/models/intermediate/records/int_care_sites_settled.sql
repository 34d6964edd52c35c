{{ settled_records('care_sites', [
    'care_site_name',
    'place_of_service_concept_id',
    'location_id',
    'place_of_service_source_value',
]) }}
