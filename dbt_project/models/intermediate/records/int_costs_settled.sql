{{ settled_records('costs', [
    'cost_type_concept_id',
    'total_charge',
    'total_paid',
    'paid_by_payer',
    'paid_by_patient',
    'paid_patient_copay',
]) }}
