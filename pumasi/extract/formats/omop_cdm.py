"""OMOP CDM 5.3 and 5.4 as a source: the tables and columns that enter.

Names are those of CDM 5.4; where 5.3 called a column otherwise, that name is a second source.
Day of birth, source identifiers, free text (sig, stop_reason, the text of notes), names, licence
numbers, addresses, numbers of single devices or samples, and times of day stay outside. A row of
cost names no person and gets the one of the record whose cost it is. Three other tables whose rows
name nobody stay outside: fact_relationship may be about two persons, episode_event names tables by
concepts of its own, and note_nlp without the words around a term does not say whether it is so.

What a result is made of (values, units, ends, the visit, the source's code) is *expected*: both
versions have it, so where it is missing it was renamed or left out by mistake. What describes
(types, statuses, ranges, race) may be missing, and so may what one of the versions lacks.
"""

from pumasi.extract.contract import Column, Format, Kind, Record, Table

GENDERS = ("F", "M", "female", "male", "other", "unknown", "O", "U")
RACES = (
    "white", "black", "asian", "native", "hawaiian", "other", "hispanic", "unknown",
)  # fmt: skip
ETHNICITIES = ("hispanic", "nonhispanic", "unknown")


def _person(required: bool = True) -> Column:
    return Column("person_id", Kind.PERSON, required=required, domain="person")


def _visit() -> Column:
    return Column("visit_occurrence_id", Kind.VISIT, expected=True, domain="visit")


def _key(name: str, domain: str) -> Column:
    return Column(name, Kind.EVENT, required=True, domain=domain)


def _place(name: str, *, required: bool = False) -> Column:
    return Column(name, Kind.PLACE, required=required, domain=name.removesuffix("_id"))


def _values(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.VALUE) for name in names)


def _integers(*names: str, required: bool = False, expected: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.INTEGER, required=required, expected=expected) for name in names)


def _dates(*names: str, expected: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.DATE, expected=expected) for name in names)


def _date(name: str) -> Column:
    return Column(name, Kind.DATE, required=True)


def _codes(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind.CODE, expected=True) for name in names)


# Whose cost a row of cost may be: the domain that it names, the table of that, and its key.
_COSTLY = (
    ("Visit", "visit_occurrence", "visit_occurrence_id", "visit"),
    ("Condition", "condition_occurrence", "condition_occurrence_id", "condition"),
    ("Drug", "drug_exposure", "drug_exposure_id", "drug"),
    ("Procedure", "procedure_occurrence", "procedure_occurrence_id", "procedure"),
    ("Device", "device_exposure", "device_exposure_id", "device"),
    ("Measurement", "measurement", "measurement_id", "measurement"),
    ("Observation", "observation", "observation_id", "observation"),
    ("Specimen", "specimen", "specimen_id", "specimen"),
)


def _cost() -> Table:
    """The cost of a record: one source column is its key, whichever table it is of."""
    keys = tuple(
        Column(
            key,
            Kind.VISIT if domain == "visit" else Kind.EVENT,
            ("cost_event_id",),
            expected=True,
            domain=domain,
        )
        for _, _, key, domain in _COSTLY
    )
    amounts = (
        "total_charge", "total_cost", "total_paid", "paid_by_payer", "paid_by_patient",
        "paid_patient_copay", "paid_patient_coinsurance", "paid_patient_deductible",
        "paid_by_primary", "paid_ingredient_cost", "paid_dispensing_fee", "amount_allowed",
    )  # fmt: skip
    return Table(
        "cost",
        (
            _key("cost_id", "cost"),
            Column("person_id", Kind.PERSON, domain="person"),
            Column("cost_domain_id", Kind.CODE, required=True),
            *keys,
            *_integers("cost_type_concept_id", "currency_concept_id"),
            *(Column(name, Kind.DOUBLE) for name in amounts),
            Column("payer_plan_period_id", Kind.EVENT, domain="payer_plan_period"),
            *_integers("revenue_code_concept_id", "drg_concept_id"),
        ),
        about=tuple(
            Record(key, table, key, f"rows.cost_domain_id = '{name}'")
            for name, table, key, _ in _COSTLY
        ),
    )


OMOP_CDM = Format(
    name="omop_cdm",
    containers=frozenset({"csv", "parquet", "duckdb"}),
    tables=(
        Table(
            "person",
            (
                _person(),
                Column("split_key", Kind.SPLIT, ("person_id",), domain="split"),
                *_integers("gender_concept_id", "year_of_birth", required=True),
                *_integers("month_of_birth", "race_concept_id", "ethnicity_concept_id"),
                *(_place(name) for name in ("location_id", "provider_id", "care_site_id")),
                Column("gender_source_value", Kind.VALUE, values=GENDERS),
                Column("race_source_value", Kind.VALUE, values=RACES),
                Column("ethnicity_source_value", Kind.VALUE, values=ETHNICITIES),
            ),
            required=True,
        ),
        Table(
            "observation_period",
            (
                _key("observation_period_id", "observation_period"),
                _person(),
                _date("observation_period_start_date"),
                _date("observation_period_end_date"),
                *_integers("period_type_concept_id"),
            ),
            required=True,
        ),
        Table(
            "visit_occurrence",
            (
                Column("visit_occurrence_id", Kind.VISIT, required=True, domain="visit"),
                _person(),
                *_integers("visit_concept_id", required=True),
                _date("visit_start_date"),
                *_dates("visit_end_date", expected=True),
                *_integers("visit_type_concept_id", "visit_source_concept_id"),
                Column(
                    "admitted_from_concept_id",
                    Kind.INTEGER,
                    ("admitted_from_concept_id", "admitting_source_concept_id"),
                ),
                Column(
                    "discharged_to_concept_id",
                    Kind.INTEGER,
                    ("discharged_to_concept_id", "discharge_to_concept_id"),
                ),
                Column("preceding_visit_occurrence_id", Kind.VISIT, domain="visit"),
                *(_place(name) for name in ("provider_id", "care_site_id")),
            ),
        ),
        Table(
            "visit_detail",
            (
                _key("visit_detail_id", "visit_detail"),
                _person(),
                *_integers("visit_detail_concept_id", required=True),
                _date("visit_detail_start_date"),
                *_dates("visit_detail_end_date", expected=True),
                *_integers("visit_detail_type_concept_id", "visit_detail_source_concept_id"),
                *(_place(name) for name in ("provider_id", "care_site_id")),
                Column(
                    "admitted_from_concept_id",
                    Kind.INTEGER,
                    ("admitted_from_concept_id", "admitting_source_concept_id"),
                ),
                Column(
                    "discharged_to_concept_id",
                    Kind.INTEGER,
                    ("discharged_to_concept_id", "discharge_to_concept_id"),
                ),
                Column("preceding_visit_detail_id", Kind.EVENT, domain="visit_detail"),
                Column(
                    "parent_visit_detail_id",
                    Kind.EVENT,
                    ("parent_visit_detail_id", "visit_detail_parent_id"),
                    domain="visit_detail",
                ),
                _visit(),
            ),
        ),
        Table(
            "condition_occurrence",
            (
                _key("condition_occurrence_id", "condition"),
                _person(),
                *_integers("condition_concept_id", required=True),
                _date("condition_start_date"),
                *_dates("condition_end_date", expected=True),
                *_integers("condition_type_concept_id", "condition_status_concept_id"),
                _visit(),
                *_codes("condition_source_value"),
                *_integers("condition_source_concept_id"),
            ),
        ),
        Table(
            "drug_exposure",
            (
                _key("drug_exposure_id", "drug"),
                _person(),
                *_integers("drug_concept_id", required=True),
                _date("drug_exposure_start_date"),
                *_dates("drug_exposure_end_date", expected=True),
                *_dates("verbatim_end_date"),
                *_integers("drug_type_concept_id", "refills"),
                Column("quantity", Kind.DOUBLE, expected=True),
                *_integers("days_supply", expected=True),
                *_integers("route_concept_id"),
                _visit(),
                *_codes("drug_source_value"),
                *_integers("drug_source_concept_id"),
            ),
        ),
        Table(
            "procedure_occurrence",
            (
                _key("procedure_occurrence_id", "procedure"),
                _person(),
                *_integers("procedure_concept_id", required=True),
                _date("procedure_date"),
                *_dates("procedure_end_date"),
                *_integers("procedure_type_concept_id", "modifier_concept_id", "quantity"),
                _visit(),
                *_codes("procedure_source_value"),
                *_integers("procedure_source_concept_id"),
            ),
        ),
        Table(
            "device_exposure",
            (
                _key("device_exposure_id", "device"),
                _person(),
                *_integers("device_concept_id", required=True),
                _date("device_exposure_start_date"),
                *_dates("device_exposure_end_date", expected=True),
                *_integers("device_type_concept_id", "quantity", "unit_concept_id"),
                _visit(),
                *_codes("device_source_value"),
                *_integers("device_source_concept_id"),
                Column("unit_source_value", Kind.CODE),
            ),
        ),
        Table(
            "specimen",
            (
                _key("specimen_id", "specimen"),
                _person(),
                *_integers("specimen_concept_id", required=True),
                _date("specimen_date"),
                *_integers("specimen_type_concept_id"),
                Column("quantity", Kind.DOUBLE),
                *_integers(
                    "unit_concept_id", "anatomic_site_concept_id", "disease_status_concept_id"
                ),
                Column("specimen_source_value", Kind.CODE),
                Column("unit_source_value", Kind.CODE),
            ),
        ),
        Table(
            "measurement",
            (
                _key("measurement_id", "measurement"),
                _person(),
                *_integers("measurement_concept_id", required=True),
                _date("measurement_date"),
                *_integers("measurement_type_concept_id", "operator_concept_id"),
                Column("value_as_number", Kind.DOUBLE, expected=True),
                *_integers("value_as_concept_id", "unit_concept_id", expected=True),
                Column("range_low", Kind.DOUBLE),
                Column("range_high", Kind.DOUBLE),
                _visit(),
                *_codes("measurement_source_value"),
                *_integers("measurement_source_concept_id"),
                *_codes("unit_source_value"),
                Column("value_source_value", Kind.VALUE, expected=True),
            ),
        ),
        Table(
            "observation",
            (
                _key("observation_id", "observation"),
                _person(),
                *_integers("observation_concept_id", required=True),
                _date("observation_date"),
                *_integers("observation_type_concept_id"),
                Column("value_as_number", Kind.DOUBLE, expected=True),
                Column("value_as_string", Kind.VALUE, expected=True),
                *_integers("value_as_concept_id", expected=True),
                *_integers("qualifier_concept_id"),
                *_integers("unit_concept_id", expected=True),
                _visit(),
                *_codes("observation_source_value"),
                *_integers("observation_source_concept_id"),
                *_codes("unit_source_value"),
            ),
        ),
        Table(
            "death",
            (
                _person(),
                _date("death_date"),
                *_integers("death_type_concept_id", "cause_concept_id", "cause_source_concept_id"),
            ),
        ),
        Table(
            "note",
            (
                _key("note_id", "note"),
                _person(),
                _date("note_date"),
                *_integers("note_type_concept_id", "note_class_concept_id"),
                *_integers("encoding_concept_id", "language_concept_id"),
                _place("provider_id"),
                _visit(),
                *_values("note_source_value"),
            ),
        ),
        Table(
            "payer_plan_period",
            (
                _key("payer_plan_period_id", "payer_plan_period"),
                _person(),
                _date("payer_plan_period_start_date"),
                _date("payer_plan_period_end_date"),
                *_integers("payer_concept_id", "payer_source_concept_id"),
                *_integers("plan_concept_id", "plan_source_concept_id"),
                *_integers("sponsor_concept_id", "sponsor_source_concept_id"),
                *_integers("stop_reason_concept_id", "stop_reason_source_concept_id"),
                *_values("payer_source_value", "plan_source_value", "sponsor_source_value"),
                *_values("stop_reason_source_value"),
            ),
        ),
        Table(
            "episode",
            (
                _key("episode_id", "episode"),
                _person(),
                *_integers("episode_concept_id", required=True),
                _date("episode_start_date"),
                *_dates("episode_end_date"),
                Column("episode_parent_id", Kind.EVENT, domain="episode"),
                *_integers("episode_number", "episode_object_concept_id"),
                *_integers("episode_type_concept_id", "episode_source_concept_id"),
                *_values("episode_source_value"),
            ),
        ),
        Table(
            "dose_era",
            (
                _key("dose_era_id", "dose_era"),
                _person(),
                *_integers("drug_concept_id", "unit_concept_id", required=True),
                Column("dose_value", Kind.DOUBLE, required=True),
                _date("dose_era_start_date"),
                _date("dose_era_end_date"),
            ),
        ),
        _cost(),
        Table(
            "location",
            (
                _place("location_id", required=True),
                *_values("state", "county", "country_source_value"),
                *_integers("country_concept_id"),
            ),
        ),
        Table(
            "care_site",
            (
                _place("care_site_id", required=True),
                *_values("care_site_name", "place_of_service_source_value"),
                *_integers("place_of_service_concept_id"),
                _place("location_id"),
            ),
        ),
        Table(
            "provider",
            (
                _place("provider_id", required=True),
                *_integers("specialty_concept_id", "specialty_source_concept_id"),
                *_integers("gender_concept_id", "gender_source_concept_id"),
                _place("care_site_id"),
                *_values("specialty_source_value"),
                Column("gender_source_value", Kind.VALUE, values=GENDERS),
            ),
        ),
        Table(
            "cdm_source",
            (
                *(
                    Column(name, Kind.TEXT)
                    for name in ("cdm_source_name", "cdm_source_abbreviation", "cdm_holder")
                ),
                *_dates("source_release_date", "cdm_release_date"),
                *(Column(name, Kind.TEXT) for name in ("cdm_version", "vocabulary_version")),
            ),
        ),
    ),
)
