"""Who of the new users of celecoxib or diclofenac bleeds within a year: the task as data.

The question is the tutorial's of the OHDSI community; the features are what was known at the index.
"""

from pumasi.learn.task import Task

GI_BLEED_RISK = Task(
    name="gi_bleed_risk",
    table="gi_bleed__new_users",
    features=(
        "age_at_index",
        "is_female",
        "is_celecoxib",
        "prior_observation_days",
        "has_prior_gi_bleed",
        "conditions_365",
        "drug_exposures_365",
        "visits_365",
        "had_peptic_ulcer",
        "had_esophagitis",
        "had_ulcerative_colitis",
        "had_stomach_angiodysplasia",
        "used_aspirin",
        "used_other_nsaid",
    ),
    outcome="has_gi_bleed_365",
    needs=("person.gender_is_known", "observation_period.every_person_has_a_row"),
    excluded_when=("both_drugs_on_index",),
    concept_sets=(
        "aspirin",
        "celecoxib",
        "diclofenac",
        "esophagitis",
        "female",
        "gi_bleed",
        "male",
        "other_nsaid",
        "peptic_ulcer",
        "stomach_angiodysplasia",
        "ulcerative_colitis",
    ),
)
