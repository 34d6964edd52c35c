"""The concept sets of the Charlson index, for every task whose table holds it."""

CHARLSON_SETS = (
    "charlson_cerebrovascular",
    "charlson_chronic_pulmonary",
    "charlson_congestive_heart_failure",
    "charlson_dementia",
    "charlson_diabetes",
    "charlson_diabetes_complicated",
    "charlson_hiv",
    "charlson_malignancy",
    "charlson_metastatic",
    "charlson_mild_liver",
    "charlson_myocardial_infarction",
    "charlson_peptic_ulcer",
    "charlson_peripheral_vascular",
    "charlson_plegia",
    "charlson_renal",
    "charlson_rheumatic",
    "charlson_severe_liver",
)
