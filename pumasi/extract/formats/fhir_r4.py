"""FHIR R4 as a source: the resource types that enter, and what of each.

`structure` is what DuckDB parses of a resource; everything else in it is never looked at. Names,
addresses, telecom, narrative and display texts are in no structure. Codes stay lists of
(system, code), so that the transformation chooses, not the reader.
"""

from typing import Any

from pumasi.extract.contract import Column, Format, Kind, Table, is_code

CODINGS = "struct(system varchar, code varchar)[]"
CODEABLE: dict[str, Any] = {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}
REFERENCE = {"reference": "VARCHAR"}
PERIOD = {"start": "VARCHAR", "end": "VARCHAR"}
QUANTITY = {"value": "DOUBLE", "unit": "VARCHAR", "code": "VARCHAR"}
VALUES: dict[str, Any] = {
    "valueQuantity": QUANTITY,
    "valueInteger": "DOUBLE",
    "valueCodeableConcept": CODEABLE,
    "valueString": "VARCHAR",
}
EXTENSION: list[Any] = [
    {"url": "VARCHAR", "extension": [{"url": "VARCHAR", "valueCoding": {"code": "VARCHAR"}}]}
]
COMPONENTS = (
    f"struct(codings {CODINGS}, value_number double, value_unit varchar, "
    f"value_codings {CODINGS}, value_string varchar)[]"
)
META = {"lastUpdated": "VARCHAR", "versionId": "VARCHAR"}
# Which version of a resource this is: the instant in UTC, and the number if it is one. A server's
# own version ids may be anything, so another one is no defect and simply orders nothing.
VERSION = (
    Column(
        "updated_at",
        Kind.TIMESTAMP,
        (
            "strftime(make_timestamp(epoch_us(try_cast(r.meta.lastUpdated || "
            "case when regexp_matches(r.meta.lastUpdated, '(Z|[+-][0-9]{2}:[0-9]{2})$') "
            "then '' else 'Z' end as timestamptz))), '%Y-%m-%d %H:%M:%S')",
        ),
    ),
    Column(
        "version_no",
        Kind.INTEGER,
        ("case when regexp_full_match(r.meta.versionId, '[0-9]{1,9}') then r.meta.versionId end",),
    ),
)
GENDERS = ("male", "female", "other", "unknown")


def _coded(path: str) -> str:
    """The codings whose code has the shape of one; a text in its place does not enter."""
    shape = f"{is_code('k.code')} and not regexp_matches(coalesce(k.system, ''), '\\s')"
    return f"list_filter({path}, lambda k: {shape})"


def _unit(quantity: str) -> str:
    return f"coalesce({quantity}.code, {quantity}.unit)"


def _referred(path: str) -> str:
    """The x in a reference `Patient/x`, `urn:uuid:x` or `http://…/Patient/x/_history/2`."""
    return f"regexp_extract(regexp_replace({path}, '/_history/.*$', ''), '[^/:#?]+$')"


def _us_core(name: str) -> str:
    """OMB category code of a US core extension (race, ethnicity), null where there is none."""
    url = f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{name}"
    return (
        f"list_filter(list_filter(r.extension, lambda e: e.url = '{url}')[1].extension, "
        "lambda e: e.url = 'ombCategory')[1].valueCoding.code"
    )


def _id(name: str, domain: str) -> Column:
    kind = Kind.VISIT if domain == "visit" else Kind.EVENT
    return Column(name, kind, ("r.id",), required=True, domain=domain)


def _subject(path: str = "r.subject.reference") -> Column:
    return Column("patient_id", Kind.PERSON, (_referred(path),), required=True, domain="person")


def _encounter(path: str = "r.encounter.reference") -> Column:
    return Column("encounter_id", Kind.VISIT, (_referred(path),), domain="visit")


def _codings(path: str, name: str = "codings") -> Column:
    return Column(name, Kind.STRUCTURE, (_coded(path),), sql_type=CODINGS)


def _status() -> Column:
    return Column("status", Kind.CODE, ("r.status",))


def _resource(name: str, resource: str, structure: dict[str, Any], *columns: Column) -> Table:
    base = {"resourceType": "VARCHAR", "id": "VARCHAR", "meta": META}
    return Table(
        name,
        (*columns, *VERSION),
        required=resource == "Patient",
        resource=resource,
        structure=base | structure,
    )


FHIR_R4 = Format(
    name="fhir_r4",
    containers=frozenset({"ndjson", "bundle"}),
    tables=(
        _resource(
            "patient",
            "Patient",
            {
                "gender": "VARCHAR",
                "birthDate": "VARCHAR",
                "deceasedDateTime": "VARCHAR",
                "extension": EXTENSION,
            },
            Column("patient_id", Kind.PERSON, ("r.id",), required=True, domain="person"),
            Column("split_key", Kind.SPLIT, ("r.id",), domain="split"),
            Column("gender", Kind.VALUE, ("r.gender",), values=GENDERS),
            Column("birth_year", Kind.YEAR, ("r.birthDate",), required=True),
            Column("birth_month", Kind.MONTH, ("r.birthDate",)),
            Column("race_code", Kind.CODE, (_us_core("race"),)),
            Column("ethnicity_code", Kind.CODE, (_us_core("ethnicity"),)),
            Column("deceased_date", Kind.DATE, ("r.deceasedDateTime",)),
        ),
        _resource(
            "encounter",
            "Encounter",
            {
                "status": "VARCHAR",
                "class": {"code": "VARCHAR"},
                "subject": REFERENCE,
                "period": PERIOD,
                "type": [CODEABLE],
            },
            _id("encounter_id", "visit"),
            _subject(),
            _status(),
            Column("class_code", Kind.CODE, ('r."class".code',)),
            Column("start_date", Kind.DATE, ('r.period."start"',), required=True),
            Column("end_date", Kind.DATE, ('r.period."end"',)),
            _codings('flatten(list_transform(r."type", lambda t: t.coding))', "type_codings"),
        ),
        _resource(
            "condition",
            "Condition",
            {
                "clinicalStatus": CODEABLE,
                "verificationStatus": CODEABLE,
                "code": CODEABLE,
                "subject": REFERENCE,
                "encounter": REFERENCE,
                "onsetDateTime": "VARCHAR",
                "onsetPeriod": PERIOD,
                "abatementDateTime": "VARCHAR",
                "recordedDate": "VARCHAR",
            },
            _id("condition_id", "condition"),
            _subject(),
            _encounter(),
            Column("clinical_status", Kind.CODE, ("r.clinicalStatus.coding[1].code",)),
            Column("verification_status", Kind.CODE, ("r.verificationStatus.coding[1].code",)),
            _codings("r.code.coding"),
            Column(
                "onset_date",
                Kind.DATE,
                ('coalesce(r.onsetDateTime, r.onsetPeriod."start")',),
            ),
            Column("abatement_date", Kind.DATE, ("r.abatementDateTime",)),
            Column("recorded_date", Kind.DATE, ("r.recordedDate",)),
        ),
        _resource(
            "medication_request",
            "MedicationRequest",
            {
                "status": "VARCHAR",
                "intent": "VARCHAR",
                "medicationCodeableConcept": CODEABLE,
                "subject": REFERENCE,
                "encounter": REFERENCE,
                "authoredOn": "VARCHAR",
                "dispenseRequest": {
                    "expectedSupplyDuration": QUANTITY,
                    "quantity": QUANTITY,
                },
            },
            _id("medication_request_id", "medication_request"),
            _subject(),
            _encounter(),
            _status(),
            Column("intent", Kind.CODE, ("r.intent",)),
            _codings("r.medicationCodeableConcept.coding"),
            Column("authored_date", Kind.DATE, ("r.authoredOn",)),
            # Days only: a supply in another unit is not guessed.
            Column(
                "supply_days",
                Kind.DOUBLE,
                (
                    f"case when {_unit('r.dispenseRequest.expectedSupplyDuration')} "
                    "in ('d', 'day', 'days') "
                    'then r.dispenseRequest.expectedSupplyDuration."value" end',
                ),
            ),
            Column("supply_quantity", Kind.DOUBLE, ('r.dispenseRequest.quantity."value"',)),
        ),
        _resource(
            "medication_administration",
            "MedicationAdministration",
            {
                "status": "VARCHAR",
                "medicationCodeableConcept": CODEABLE,
                "subject": REFERENCE,
                "context": REFERENCE,
                "effectiveDateTime": "VARCHAR",
                "effectivePeriod": PERIOD,
            },
            _id("medication_administration_id", "medication_administration"),
            _subject(),
            _encounter("r.context.reference"),
            _status(),
            _codings("r.medicationCodeableConcept.coding"),
            Column(
                "start_date",
                Kind.DATE,
                ('coalesce(r.effectiveDateTime, r.effectivePeriod."start")',),
            ),
            Column("end_date", Kind.DATE, ('r.effectivePeriod."end"',)),
        ),
        _resource(
            "observation",
            "Observation",
            {
                "status": "VARCHAR",
                "category": [CODEABLE],
                "code": CODEABLE,
                "subject": REFERENCE,
                "encounter": REFERENCE,
                "effectiveDateTime": "VARCHAR",
                "effectivePeriod": PERIOD,
                "issued": "VARCHAR",
                **VALUES,
                "component": [{"code": CODEABLE, **VALUES}],
            },
            _id("observation_id", "observation"),
            _subject(),
            _encounter(),
            _status(),
            Column(
                "category_codes",
                Kind.STRUCTURE,
                (
                    "list_filter(list_transform(r.category, lambda c: c.coding[1].code), "
                    f"lambda k: {is_code('k')})",
                ),
                sql_type="varchar[]",
            ),
            _codings("r.code.coding"),
            Column(
                "effective_date",
                Kind.DATE,
                ('coalesce(r.effectiveDateTime, r.effectivePeriod."start")',),
            ),
            Column("issued_date", Kind.DATE, ("r.issued",)),
            Column(
                "value_number", Kind.DOUBLE, ('coalesce(r.valueQuantity."value", r.valueInteger)',)
            ),
            Column("value_unit", Kind.CODE, (_unit("r.valueQuantity"),)),
            _codings("r.valueCodeableConcept.coding", "value_codings"),
            Column("value_string", Kind.VALUE, ("r.valueString",)),
            Column(
                "components",
                Kind.STRUCTURE,
                (
                    "list_transform(r.component, lambda c: struct_pack("
                    f"codings := {_coded('c.code.coding')}, "
                    'value_number := coalesce(c.valueQuantity."value", c.valueInteger), '
                    f"value_unit := case when {is_code(_unit('c.valueQuantity'))} "
                    f"then {_unit('c.valueQuantity')} end, "
                    f"value_codings := {_coded('c.valueCodeableConcept.coding')}, "
                    # A component's text has no value map of its own: it does not enter.
                    "value_string := null::varchar))",
                ),
                sql_type=COMPONENTS,
            ),
        ),
        _resource(
            "procedure",
            "Procedure",
            {
                "status": "VARCHAR",
                "code": CODEABLE,
                "subject": REFERENCE,
                "encounter": REFERENCE,
                "performedDateTime": "VARCHAR",
                "performedPeriod": PERIOD,
            },
            _id("procedure_id", "procedure"),
            _subject(),
            _encounter(),
            _status(),
            _codings("r.code.coding"),
            Column(
                "start_date",
                Kind.DATE,
                ('coalesce(r.performedDateTime, r.performedPeriod."start")',),
            ),
            Column("end_date", Kind.DATE, ('r.performedPeriod."end"',)),
        ),
        _resource(
            "immunization",
            "Immunization",
            {
                "status": "VARCHAR",
                "vaccineCode": CODEABLE,
                "patient": REFERENCE,
                "encounter": REFERENCE,
                "occurrenceDateTime": "VARCHAR",
            },
            _id("immunization_id", "immunization"),
            _subject("r.patient.reference"),
            _encounter(),
            _status(),
            _codings("r.vaccineCode.coding"),
            Column("occurrence_date", Kind.DATE, ("r.occurrenceDateTime",)),
        ),
    ),
)
