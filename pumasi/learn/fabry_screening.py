"""Who should be tested for Fabry disease, before anybody thought of it: the task as data.

Rows with suspicion before 180 days after the index are left out, whatever became of them: a model
that sees the work-up foretells it. Few hospitals have the recorded cases that the task asks for;
elsewhere "not trained: too few cases" is its correct end.
"""

from pumasi.learn.task import Task

FABRY_SCREENING = Task(
    name="fabry_screening",
    table="fabry__screening_features",
    features=(
        "age_at_index",
        "is_female",
        "is_lvh_gate",
        "is_hcm_gate",
        "is_kidney_gate",
        "is_dialysis_gate",
        "is_stroke_gate",
        "is_pain_gate",
        "visits_365",
        "organ_systems",
        "had_neuropathic_pain",
        "had_limb_pain",
        "had_neuropathic_drug_before_40",
        "had_anhidrosis",
        "had_angiokeratoma",
        "had_cornea_verticillata",
        "had_gut_complaint_before_30",
        "had_ear_complaint_before_50",
        "had_proteinuria",
        "had_chronic_kidney_disease",
        "had_left_ventricular_hypertrophy",
        "had_hypertrophic_cardiomyopathy",
        "had_arrhythmia",
        "had_stroke_or_tia_before_55",
        "had_multiple_sclerosis",
        "had_rheumatic_decoy",
        "had_diabetes",
        "had_hypertension",
        "had_egfr_below_60",
        "had_albuminuria_a3",
        "had_wall_of_13_mm",
        "had_short_pr_interval",
    ),
    outcome="has_fabry_5y",
    needs=("person.gender_is_known", "person.has_an_observation_period"),
    excluded_when=("is_suspected_by_180",),
    # With 20 cases in all, a test of the 30 % that are held out must do with a handful.
    minimum_events=5,
)
