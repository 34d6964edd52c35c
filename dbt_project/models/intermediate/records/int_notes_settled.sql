{{ settled_records('notes', [
    'note_date',
    'note_type_concept_id',
    'note_class_concept_id',
    'encoding_concept_id',
    'language_concept_id',
    'provider_id',
    'note_source_value',
]) }}
