"""The suites: one function per table that returns an `ExpectationSuite` and says what it promises.

Of an OMOP table without a function of its own only the number of rows is asked here.

A suite is judged on the view of its table that `expectations.views` makes: the table's columns and,
where it has persons, `born`, `died`, `observed_from`, `observed_to` and `extracted_through`. Keys,
required columns, references and value lists are dbt's and are not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from great_expectations import ExpectationSuite

from expectations.rules import suite
from expectations.suites import disease_marts, eras, events, marts, persons, source
from pumasi.omop.cdm import cdm_tables

_OF_TABLES: Mapping[str, Callable[[], ExpectationSuite]] = {
    "person": persons.person,
    "observation_period": persons.observation_period,
    "death": persons.death,
    "visit_occurrence": events.visit_occurrence,
    "condition_occurrence": events.condition_occurrence,
    "drug_exposure": events.drug_exposure,
    "procedure_occurrence": events.procedure_occurrence,
    "measurement": events.measurement,
    "observation": events.observation,
    "condition_era": eras.condition_era,
    "drug_era": eras.drug_era,
    "cdm_source": source.cdm_source,
    "asthma__cohort": marts.asthma__cohort,
    "asthma__exacerbations": marts.asthma__exacerbations,
    "gi_bleed__new_users": marts.gi_bleed__new_users,
    "core__charlson": disease_marts.core__charlson,
    "core__comedication": disease_marts.core__comedication,
    "fabry__kidney_course": disease_marts.fabry__kidney_course,
    "fabry__evidence": disease_marts.fabry__evidence,
    "fabry__cohort": disease_marts.fabry__cohort,
    "fabry__screening_features": disease_marts.fabry__screening_features,
    "asthma__treatment_episodes": disease_marts.asthma__treatment_episodes,
    "asthma__risk_features": disease_marts.asthma__risk_features,
}

SUITES: Mapping[str, Callable[[], ExpectationSuite]] = {
    **{
        table.name: partial(suite, table.name)
        for table in cdm_tables().values()
        if table.schema != "VOCAB"
    },
    **_OF_TABLES,
}
