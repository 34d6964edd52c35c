{{ settled_records('visit_details', [
    'visit_detail_concept_id',
    'visit_detail_start_date',
    'visit_detail_end_date',
    'visit_detail_type_concept_id',
    'provider_id',
    'care_site_id',
    'visit_detail_source_concept_id',
    'admitted_from_concept_id',
    'discharged_to_concept_id',
    'preceding_visit_detail_id',
    'parent_visit_detail_id',
]) }}
