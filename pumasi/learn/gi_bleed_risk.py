"""Who of the new users of celecoxib or diclofenac bleeds within a year: the task as data.

The question is the tutorial's of the OHDSI community; the features are what was known at the index.
"""

from pumasi.learn.task import Task
from pumasi.quality import Need

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
    numbers=(
        "age_at_index",
        "prior_observation_days",
        "conditions_365",
        "drug_exposures_365",
        "visits_365",
    ),
    needs=(
        Need("person.gender_is_known"),
        Need("observation_period.every_person_has_a_row", limit=0.05),
        # Who is a new user, and who bleeds, is read from drugs and conditions alone.
        Need("drug_exposure.drug_concept_id_is_mapped"),
        Need("drug_exposure.drug_exposure_start_date_is_in_observation"),
        Need("condition_occurrence.condition_concept_id_is_mapped"),
    ),
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
