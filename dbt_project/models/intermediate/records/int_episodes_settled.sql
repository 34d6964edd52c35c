{{ settled_records('episodes', [
    'episode_concept_id',
    'episode_start_date',
    'episode_end_date',
    'episode_parent_id',
    'episode_number',
    'episode_object_concept_id',
    'episode_type_concept_id',
    'episode_source_value',
    'episode_source_concept_id',
]) }}
