"""FHIR R4 as a source: the resource types that enter, and what of each.

`structure` is what DuckDB parses of a resource; everything else in it is never looked at. Names of
persons, streets, telecom, narrative and display texts are in no structure. Codes stay lists of
(system, code), so that the transformation chooses, not the reader.
"""

from typing import Any

from pumasi.extract.contract import Column, Format, Kind, Table, is_code

CODINGS = "struct(system varchar, code varchar)[]"
CODEABLE: dict[str, Any] = {"coding": [{"system": "VARCHAR", "code": "VARCHAR"}]}
REFERENCE = {"reference": "VARCHAR"}
PERIOD = {"start": "VARCHAR", "end": "VARCHAR"}
# VARCHAR takes whatever JSON has in that place, so that what is no number is counted, not lost.
QUANTITY = {"value": "VARCHAR", "comparator": "VARCHAR", "unit": "VARCHAR", "code": "VARCHAR"}
VALUES: dict[str, Any] = {
    "valueQuantity": QUANTITY,
    "valueInteger": "VARCHAR",
    "valueCodeableConcept": CODEABLE,
    "valueString": "VARCHAR",
    "valueBoolean": "VARCHAR",
}
# Values that no column of ours can hold: they are counted.
OTHER_VALUES = (
    "valueDateTime",
    "valueTime",
    "valuePeriod",
    "valueRange",
    "valueRatio",
    "valueSampledData",
)
VALUES |= dict.fromkeys(OTHER_VALUES, "VARCHAR")
# Times that are no day: they are counted.
OTHER_ONSETS = ("onsetAge", "onsetRange", "onsetString")
OTHER_ABATEMENTS = ("abatementAge", "abatementRange", "abatementString")
OTHER_TIMES = ("performedString", "performedAge", "performedRange")
MEDICATION: dict[str, Any] = {
    "medicationCodeableConcept": CODEABLE,
    "medicationReference": REFERENCE,
    "contained": [{"id": "VARCHAR", "code": CODEABLE}],
}
TYPE_CODINGS = 'flatten(list_transform(r."type", lambda t: t.coding))'
EXTENSION: list[Any] = [
    {"url": "VARCHAR", "extension": [{"url": "VARCHAR", "valueCoding": {"code": "VARCHAR"}}]}
]
COMPONENTS = (
    f"struct(codings {CODINGS}, value_number double, value_comparator varchar, "
    f"value_unit varchar, value_codings {CODINGS}, value_string varchar)[]"
)
BOOLEANS = ("true", "false")
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
# Of a quantity that is known as a bound only: "<0.01" is not 0.01.
COMPARATORS = ("<", "<=", ">=", ">")


def _coded(path: str) -> str:
    """The codings whose code has the shape of one; a text in its place does not enter."""
    shape = f"{is_code('k.code')} and not regexp_matches(coalesce(k.system, ''), '\\s')"
    return f"list_filter({path}, lambda k: {shape})"


def _unit(quantity: str) -> str:
    return f"coalesce({quantity}.code, {quantity}.unit)"


def _comparator(quantity: str) -> str:
    listed = ", ".join(f"'{each}'" for each in COMPARATORS)
    return f"case when {quantity}.comparator in ({listed}) then {quantity}.comparator end"


def _number(fact: str) -> str:
    """The number of an Observation or component, as text; none if its comparator is not known."""
    quantity = f"{fact}.valueQuantity"
    known = f"{quantity}.comparator is null or {_comparator(quantity)} is not null"
    return f'coalesce(case when {known} then {quantity}."value" end, {fact}.valueInteger)'


def _component_number(fact: str) -> str:
    number = f"try_cast({_number(fact)} as double)"
    return f"case when isfinite({number}) then {number} end"


def _referred(path: str, resource: str) -> str:
    """The x in a reference to that type of resource, empty if it leads to another type.

    `Patient/x`, `http://…/Patient/x/_history/2`, `urn:uuid:x` or x alone: a reference without a
    type is what its place says.
    """
    typed = f"([A-Za-z][A-Za-z0-9+.-]*://.*/|/)?{resource}/"
    whole = rf"^\s*({typed}|urn:uuid:)?([^/:#?|\s]+)(/_history/[^/]*)?\s*$"
    return f"regexp_extract({path}, '{whole}', 3)"


def _given(*paths: str) -> str:
    """SQL: at how many of the places the source has a text."""
    return " + ".join(f"(trim(coalesce({path}, '')) <> '')::integer" for path in paths)


def _numbers_given(fact: str) -> str:
    others = [f"{fact}.{name}" for name in OTHER_VALUES]
    return _given(f'{fact}.valueQuantity."value"', f"{fact}.valueInteger", *others)


def _odd(field: str, kind: str, within: str = "") -> str:
    """SQL: 1 if the resource has the field, but not as JSON of that kind, and else 0 or null.

    To be asked only where parsing gave nothing: the line is parsed again if it names the field.
    `within` is a list that it holds, such as the codings of a CodeableConcept.
    """
    wrong = f"json_type(line, '$.{field}') not in ('{kind}', 'NULL')"
    if within:
        inner = f"json_type(line, '$.{field}.{within}') not in ('ARRAY', 'NULL')"
        wrong = f"coalesce({wrong}, false) or coalesce({inner}, false)"
    return f"case when contains(line, '\"{field}\"') then try(({wrong})::integer) end"


def _lost_of_component() -> str:
    """SQL: how many values of the component c do not enter; a text has no value map of its own."""
    unit = _unit("c.valueQuantity")
    return " + ".join(
        (
            f"coalesce(len(c.code.coding) - len({_coded('c.code.coding')}), 0)",
            f"coalesce(len(c.valueCodeableConcept.coding) "
            f"- len({_coded('c.valueCodeableConcept.coding')}), 0)",
            f"{_numbers_given('c')} - ({_component_number('c')} is not null)::integer",
            f"coalesce((not {is_code(unit)})::integer, 0)",
            _given("c.valueString"),
        )
    )


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
    return Column(
        "patient_id",
        Kind.PERSON,
        (_referred(path, "Patient"),),
        required=True,
        domain="person",
        offered=_given(path),
        refusal="subject is no Patient",
    )


def _encounter(path: str = "r.encounter.reference") -> Column:
    return Column(
        "encounter_id",
        Kind.VISIT,
        (_referred(path, "Encounter"),),
        domain="visit",
        offered=_given(path),
    )


def _place(name: str, resource: str, path: str) -> Column:
    """What many persons share, as a hospital or a doctor."""
    return Column(
        name,
        Kind.PLACE,
        (_referred(path, resource),),
        domain=name.removesuffix("_id"),
        offered=_given(path),
    )


def _participant() -> Column:
    """The first Practitioner of a visit; that there is none among its participants is counted."""
    references = "list_transform(r.participant, lambda p: p.individual.reference)"
    practitioner = _referred("p", "Practitioner")
    return Column(
        "provider_id",
        Kind.PLACE,
        (
            f"list_filter(list_transform({references}, lambda p: {practitioner}), "
            "lambda p: p <> '')[1]",
        ),
        domain="provider",
        offered=f"coalesce((list_count({references}) > 0)::integer, "
        f"{_odd('participant', 'ARRAY')})",
    )


def _codings(field: str, name: str = "codings") -> Column:
    """The codings of a CodeableConcept."""
    path = f"r.{field}.coding"
    offered = f"coalesce(len({path}), {_odd(field, 'OBJECT', 'coding')})"
    return Column(name, Kind.STRUCTURE, (_coded(path),), sql_type=CODINGS, offered=offered)


def _medication() -> Column:
    """The codings of a medication, said here or in a contained resource.

    A Medication of its own isn't looked up: that the row has no drug is counted.
    """
    field = "medicationCodeableConcept"
    contained = "list_filter(r.contained, lambda m: '#' || m.id = r.medicationReference.reference)"
    path = f"coalesce(r.{field}.coding, {contained}[1].code.coding)"
    lost = (
        f"coalesce({_odd(field, 'OBJECT', 'coding')}, {_given('r.medicationReference.reference')})"
    )
    offered = f"coalesce(len({path}), {lost})"
    return Column("codings", Kind.STRUCTURE, (_coded(path),), sql_type=CODINGS, offered=offered)


def _route(path: str, lost: str) -> Column:
    """The codings of the routes by which a drug is given; `lost` counts what has no such shape."""
    offered = f"coalesce(len({path}), {lost})"
    shaped = _coded(path)
    return Column("route_codings", Kind.STRUCTURE, (shaped,), sql_type=CODINGS, offered=offered)


def _code(name: str, field: str) -> Column:
    """The first code of a CodeableConcept; before R4 some of these were plain texts."""
    code = f"r.{field}.coding[1].code"
    offered = f"case when {code} is null then {_odd(field, 'OBJECT', 'coding')} end"
    return Column(name, Kind.CODE, (code,), offered=offered)


def _day(name: str, *paths: str, others: tuple[str, ...] = ()) -> Column:
    """The first of the places that has a day; `others` say it in a way that gives none."""
    source = f"coalesce({', '.join(paths)})"
    return Column(name, Kind.DATE, (source,), offered=f"least({_given(*paths, *others)}, 1)")


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
                "deceasedBoolean": "VARCHAR",
                "extension": EXTENSION,
            },
            Column("patient_id", Kind.PERSON, ("r.id",), required=True, domain="person"),
            Column("split_key", Kind.SPLIT, ("r.id",), domain="split"),
            Column("gender", Kind.VALUE, ("r.gender",), values=GENDERS),
            Column("birth_year", Kind.YEAR, ("r.birthDate",), required=True),
            Column("birth_month", Kind.MONTH, ("r.birthDate",)),
            Column("race_code", Kind.CODE, (_us_core("race"),)),
            Column("ethnicity_code", Kind.CODE, (_us_core("ethnicity"),)),
            # OMOP has no death without a day: that somebody is dead, and no more, is counted.
            Column(
                "deceased_date",
                Kind.DATE,
                ("r.deceasedDateTime",),
                offered=f"greatest({_given('r.deceasedDateTime')}, "
                "(coalesce(r.deceasedBoolean, '') = 'true')::integer)",
            ),
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
                "participant": [{"individual": REFERENCE}],
                "serviceProvider": REFERENCE,
            },
            _id("encounter_id", "visit"),
            _subject(),
            _status(),
            Column(
                "class_code",
                Kind.CODE,
                ('r."class".code',),
                offered=f'case when r."class".code is null then {_odd("class", "OBJECT")} end',
            ),
            Column("start_date", Kind.DATE, ('r.period."start"',), required=True),
            Column("end_date", Kind.DATE, ('r.period."end"',)),
            Column(
                "type_codings",
                Kind.STRUCTURE,
                (_coded(TYPE_CODINGS),),
                sql_type=CODINGS,
                offered=f"coalesce(len({TYPE_CODINGS}), {_odd('type', 'ARRAY')})",
            ),
            _participant(),
            _place("care_site_id", "Organization", "r.serviceProvider.reference"),
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
                **dict.fromkeys(OTHER_ONSETS, "VARCHAR"),
                "abatementDateTime": "VARCHAR",
                "abatementPeriod": PERIOD,
                **dict.fromkeys(OTHER_ABATEMENTS, "VARCHAR"),
                "recordedDate": "VARCHAR",
            },
            _id("condition_id", "condition"),
            _subject(),
            _encounter(),
            _code("clinical_status", "clinicalStatus"),
            _code("verification_status", "verificationStatus"),
            _codings("code"),
            _day(
                "onset_date",
                "r.onsetDateTime",
                'r.onsetPeriod."start"',
                others=tuple(f"r.{name}" for name in OTHER_ONSETS),
            ),
            _day(
                "abatement_date",
                "r.abatementDateTime",
                'r.abatementPeriod."end"',
                others=tuple(f"r.{name}" for name in OTHER_ABATEMENTS),
            ),
            Column("recorded_date", Kind.DATE, ("r.recordedDate",)),
        ),
        _resource(
            "medication_request",
            "MedicationRequest",
            {
                "status": "VARCHAR",
                "intent": "VARCHAR",
                **MEDICATION,
                "subject": REFERENCE,
                "encounter": REFERENCE,
                "authoredOn": "VARCHAR",
                "dosageInstruction": [{"route": CODEABLE}],
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
            _medication(),
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
                offered=_given('r.dispenseRequest.expectedSupplyDuration."value"'),
            ),
            Column("supply_quantity", Kind.DOUBLE, ('r.dispenseRequest.quantity."value"',)),
            _route(
                "flatten(list_transform(r.dosageInstruction, lambda d: d.route.coding))",
                _odd("dosageInstruction", "ARRAY"),
            ),
        ),
        _resource(
            "medication_administration",
            "MedicationAdministration",
            {
                "status": "VARCHAR",
                **MEDICATION,
                "subject": REFERENCE,
                "context": REFERENCE,
                "effectiveDateTime": "VARCHAR",
                "effectivePeriod": PERIOD,
                "dosage": {"route": CODEABLE},
            },
            _id("medication_administration_id", "medication_administration"),
            _subject(),
            _encounter("r.context.reference"),
            _status(),
            _medication(),
            _day("start_date", "r.effectiveDateTime", 'r.effectivePeriod."start"'),
            Column("end_date", Kind.DATE, ('r.effectivePeriod."end"',)),
            _route("r.dosage.route.coding", _odd("dosage", "OBJECT", "route.coding")),
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
                "effectiveInstant": "VARCHAR",
                "effectivePeriod": PERIOD,
                "effectiveTiming": "VARCHAR",
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
                offered=f"coalesce(len(r.category), {_odd('category', 'ARRAY')})",
            ),
            _codings("code"),
            _day(
                "effective_date",
                "r.effectiveDateTime",
                "r.effectiveInstant",
                'r.effectivePeriod."start"',
                others=("r.effectiveTiming",),
            ),
            Column("issued_date", Kind.DATE, ("r.issued",)),
            Column(
                "value_number",
                Kind.DOUBLE,
                (_number("r"),),
                offered=f'{_numbers_given("r")} + case when r.valueQuantity."value" is null '
                f"then coalesce({_odd('valueQuantity', 'OBJECT')}, 0) else 0 end",
            ),
            Column(
                "value_comparator",
                Kind.VALUE,
                ("r.valueQuantity.comparator",),
                values=COMPARATORS,
            ),
            Column("value_unit", Kind.CODE, (_unit("r.valueQuantity"),)),
            _codings("valueCodeableConcept", "value_codings"),
            Column(
                "value_string",
                Kind.VALUE,
                ("coalesce(r.valueString, r.valueBoolean)",),
                values=BOOLEANS,
            ),
            Column(
                "components",
                Kind.STRUCTURE,
                (
                    "list_transform(r.component, lambda c: struct_pack("
                    f"codings := {_coded('c.code.coding')}, "
                    f"value_number := {_component_number('c')}, "
                    f"value_comparator := {_comparator('c.valueQuantity')}, "
                    f"value_unit := case when {is_code(_unit('c.valueQuantity'))} "
                    f"then {_unit('c.valueQuantity')} end, "
                    f"value_codings := {_coded('c.valueCodeableConcept.coding')}, "
                    f"value_string := case when c.valueBoolean in {BOOLEANS} "
                    "then c.valueBoolean end))",
                ),
                sql_type=COMPONENTS,
                offered="coalesce(len(r.component) + list_sum(list_transform(r.component, "
                f"lambda c: {_lost_of_component()})), {_odd('component', 'ARRAY')})",
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
                **dict.fromkeys(OTHER_TIMES, "VARCHAR"),
            },
            _id("procedure_id", "procedure"),
            _subject(),
            _encounter(),
            _status(),
            _codings("code"),
            _day(
                "start_date",
                "r.performedDateTime",
                'r.performedPeriod."start"',
                others=tuple(f"r.{name}" for name in OTHER_TIMES),
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
                "occurrenceString": "VARCHAR",
            },
            _id("immunization_id", "immunization"),
            _subject("r.patient.reference"),
            _encounter(),
            _status(),
            _codings("vaccineCode"),
            _day("occurrence_date", "r.occurrenceDateTime", others=("r.occurrenceString",)),
        ),
        _resource(
            "organization",
            "Organization",
            {"type": [CODEABLE], "name": "VARCHAR"},
            Column("care_site_id", Kind.PLACE, ("r.id",), required=True, domain="care_site"),
            Column("type_code", Kind.CODE, ('r."type"[1].coding[1].code',)),
            Column("name", Kind.VALUE, ("r.name",)),
        ),
        _resource(
            "location",
            "Location",
            {
                "address": {"state": "VARCHAR", "district": "VARCHAR", "country": "VARCHAR"},
                "managingOrganization": REFERENCE,
            },
            Column("location_id", Kind.PLACE, ("r.id",), required=True, domain="location"),
            _place("care_site_id", "Organization", "r.managingOrganization.reference"),
            Column("state", Kind.VALUE, ("r.address.state",)),
            Column("county", Kind.VALUE, ("r.address.district",)),
            Column("country", Kind.VALUE, ("r.address.country",)),
        ),
        _resource(
            "practitioner",
            "Practitioner",
            {"gender": "VARCHAR"},
            Column("provider_id", Kind.PLACE, ("r.id",), required=True, domain="provider"),
            Column("gender", Kind.VALUE, ("r.gender",), values=GENDERS),
        ),
        _resource(
            "practitioner_role",
            "PractitionerRole",
            {
                "practitioner": REFERENCE,
                "organization": REFERENCE,
                "specialty": [{"coding": [{"code": "VARCHAR"}], "text": "VARCHAR"}],
            },
            Column("role_id", Kind.PLACE, ("r.id",), required=True, domain="provider_role"),
            _place("provider_id", "Practitioner", "r.practitioner.reference"),
            _place("care_site_id", "Organization", "r.organization.reference"),
            # Some say the specialty in words alone.
            Column(
                "specialty",
                Kind.VALUE,
                ("coalesce(r.specialty[1].text, r.specialty[1].coding[1].code)",),
            ),
        ),
    ),
)
