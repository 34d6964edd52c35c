"""FHIR R4 as NDJSON: one resource a line, without a key that has no value.

DuckDB makes each resource as a struct; a merge patch onto nothing takes the nulls out of its JSON,
which FHIR does not allow. A corrected row is a later version of its resource.
"""

from pumasi.simulate.writers.delivery import Writer

# The zone of the hospital: Korea has no summer time.
_ZONE = "+09:00"
# Where no code of a standard system is verified, the hospital writes its own.
OWN_SYSTEM = "urn:pumasi:simulate:sup"
_SNOMED = "http://snomed.info/sct"
_LOINC = "http://loinc.org"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

# What a nurse gives is an administration, what a pharmacy hands out a request.
_GIVEN = "coalesce(route, '') in ('intravenous', 'subcutaneous', 'intramuscular')"

_SUBJECT = "struct_pack(reference := 'Patient/p' || person)"
_ENCOUNTER = "struct_pack(reference := 'Encounter/e' || visit_id)"
_META = (
    "struct_pack(\"versionId\" := case when changed then '2' else '1' end, "
    f"\"lastUpdated\" := from_date || 'T23:00:00{_ZONE}')"
)


def _codeable(system: str) -> str:
    """SQL of a CodeableConcept: the code of the standard system, else the hospital's own."""
    return (
        "struct_pack(coding := [struct_pack(system := case when code is null "
        f"then '{OWN_SYSTEM}' else '{system}' end, code := coalesce(code, local_code))])"
    )


# Nobody verified a standard code of a route.
_ROUTE = (
    "case when route is not null then struct_pack(coding := [struct_pack("
    f"system := '{OWN_SYSTEM}', code := upper(route))]) end"
)


def _fixed(system: str, code: str) -> str:
    return f"struct_pack(coding := [struct_pack(system := '{system}', code := '{code}')])"


def _resource(fields: dict[str, str], source: str) -> str:
    """SELECT of one JSON text per row of `source`."""
    packed = ", ".join(f'"{name}" := {value}' for name, value in fields.items())
    return f"select json_merge_patch('{{}}', to_json(struct_pack({packed}))) as resource {source}"


FHIR_R4 = Writer(
    ending=".ndjson",
    # One column without quotation marks and a delimiter that no JSON text holds: a line is a text.
    options="format csv, header false, quote '', escape '', delimiter '\x1f'",
    files={
        "Patient": _resource(
            {
                "resourceType": "'Patient'",
                "id": "'p' || person",
                "gender": "case when female then 'female' else 'male' end",
                "birthDate": "birth_date",
                "deceasedDateTime": "death_date",
            },
            "from persons order by person",
        ),
        "Encounter": _resource(
            {
                "resourceType": "'Encounter'",
                "id": "'e' || row_id",
                "meta": _META,
                "status": "'finished'",
                "class": f"struct_pack(system := '{_TERMINOLOGY}/v3-ActCode', code := case kind "
                "when 'inpatient' then 'IMP' when 'emergency' then 'EMER' else 'AMB' end)",
                "subject": _SUBJECT,
                "period": f"struct_pack(\"start\" := event_date || 'T09:00:00{_ZONE}', "
                f"\"end\" := end_date || 'T17:00:00{_ZONE}')",
            },
            "from visits order by row_id",
        ),
        "Condition": _resource(
            {
                "resourceType": "'Condition'",
                "id": "'c' || row_id",
                "meta": _META,
                "clinicalStatus": _fixed(f"{_TERMINOLOGY}/condition-clinical", "active"),
                "verificationStatus": _fixed(f"{_TERMINOLOGY}/condition-ver-status", "confirmed"),
                "code": _codeable(_SNOMED),
                "subject": _SUBJECT,
                "encounter": _ENCOUNTER,
                "onsetDateTime": "event_date",
                "recordedDate": f"recorded_date || 'T12:00:00{_ZONE}'",
            },
            "from conditions order by row_id",
        ),
        "MedicationRequest": _resource(
            {
                "resourceType": "'MedicationRequest'",
                "id": "'m' || row_id",
                "meta": _META,
                "status": "'completed'",
                "intent": "'order'",
                "medicationCodeableConcept": _codeable(_RXNORM),
                "subject": _SUBJECT,
                "encounter": _ENCOUNTER,
                "authoredOn": f"event_date || 'T12:00:00{_ZONE}'",
                "dosageInstruction": "case when route is not null "
                f"then [struct_pack(route := {_ROUTE})] end",
                "dispenseRequest": "struct_pack(quantity := struct_pack(value := quantity), "
                '"expectedSupplyDuration" := struct_pack(value := days_supply, '
                "unit := 'days', system := 'http://unitsofmeasure.org', code := 'd'))",
            },
            f"from drugs where not {_GIVEN} order by row_id",
        ),
        "MedicationAdministration": _resource(
            {
                "resourceType": "'MedicationAdministration'",
                "id": "'a' || row_id",
                "meta": _META,
                "status": "'completed'",
                "medicationCodeableConcept": _codeable(_RXNORM),
                "subject": _SUBJECT,
                "context": _ENCOUNTER,
                "effectiveDateTime": f"event_date || 'T10:00:00{_ZONE}'",
                "dosage": "case when quantity is not null or route is not null then struct_pack("
                f"route := {_ROUTE}, dose := case when quantity is not null "
                "then struct_pack(value := quantity, unit := 'unit') end) end",
            },
            f"from drugs where {_GIVEN} order by row_id",
        ),
        "Observation": _resource(
            {
                "resourceType": "'Observation'",
                "id": "'o' || row_id",
                "meta": _META,
                "status": "'final'",
                "category": f"[{_fixed(f'{_TERMINOLOGY}/observation-category', 'laboratory')}]",
                "code": _codeable(_LOINC),
                "subject": _SUBJECT,
                "encounter": _ENCOUNTER,
                "effectiveDateTime": f"event_date || 'T09:00:00{_ZONE}'",
                "issued": f"recorded_date || 'T12:00:00{_ZONE}'",
                "valueQuantity": "case when value is not null then struct_pack(value := value, "
                "unit := unit, system := case when unit is not null "
                "then 'http://unitsofmeasure.org' end, code := unit) end",
                "valueCodeableConcept": "case when value_term is not null then struct_pack("
                f"coding := [struct_pack(system := '{OWN_SYSTEM}', code := upper(value_term))]) "
                "end",
            },
            "from measurements order by row_id",
        ),
        # What is no result, but was noted at a visit.
        "Observation_9": _resource(
            {
                "resourceType": "'Observation'",
                "id": "'n' || row_id",
                "meta": _META,
                "status": "'final'",
                "category": f"[{_fixed(f'{_TERMINOLOGY}/observation-category', 'social-history')}]",
                "code": _codeable(_LOINC),
                "subject": _SUBJECT,
                "encounter": _ENCOUNTER,
                "effectiveDateTime": f"event_date || 'T09:00:00{_ZONE}'",
                "valueBoolean": "true",
            },
            "from observations order by row_id",
        ),
        "Procedure": _resource(
            {
                "resourceType": "'Procedure'",
                "id": "'d' || row_id",
                "meta": _META,
                "status": "'completed'",
                "code": _codeable(_SNOMED),
                "subject": _SUBJECT,
                "encounter": _ENCOUNTER,
                "performedDateTime": f"event_date || 'T10:00:00{_ZONE}'",
            },
            "from procedures order by row_id",
        ),
    },
)
