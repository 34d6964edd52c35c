{{ settled_records('dose_eras', [
    'drug_concept_id',
    'unit_concept_id',
    'dose_value',
    'dose_era_start_date',
    'dose_era_end_date',
]) }}
