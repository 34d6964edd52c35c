"""Who of those with asthma has a severe exacerbation within twelve months: the task as data.

One index a year and person, in a month that the split key chooses: windows of a person then do not
overlap, and no season is preferred. Tests that a hospital has not done are no reason to leave a
person out: whether a value is known, and whether it is beyond its cut-off, are features of their
own.
"""

from pumasi.learn.task import Task

ASTHMA_EXACERBATION = Task(
    name="asthma_exacerbation",
    table="asthma__risk_features",
    features=(
        "age_at_index",
        "is_female",
        "visits_12m",
        "attacks_3m",
        "attacks_12m",
        "attacks_24m",
        "acute_visits_12m",
        "oral_steroid_days_12m",
        "steroid_injections_12m",
        "uses_maintenance_steroid",
        "gina_step",
        "overuses_saba",
        "uses_ics",
        "uses_biologic",
        "ics_pdc_12m",
        "eosinophils_are_known",
        "eosinophils_of_300",
        "feno_is_known",
        "feno_of_25",
        "fev1_is_known",
        "fev1_below_80",
        "act_is_known",
        "act_of_19_or_less",
        "has_allergic_rhinitis",
        "has_chronic_sinusitis",
        "has_nasal_polyp",
        "has_gerd",
        "has_obesity",
        "has_depression",
        "has_copd",
        "charlson_2011",
    ),
    outcome="has_exacerbation_12m",
    needs=("person.gender_is_known", "person.has_an_observation_period"),
    chosen_when=("is_yearly_index", "is_korean_claims"),
)
