"""Synthea 3.x CSV as a source: the tables and columns that enter.

Names, addresses, and numbers of documents and of devices stay outside. Rows other than patients,
encounters, organizations, providers and transactions of claims have no identifier; their natural
key is made of what is kept of them. Costs are read of the transactions, which say who paid; the
sums in other tables repeat them. Every version since 3.0 has the columns that are *expected*:
without one, data would be lost. Exports that give years alone in payer_transitions have those rows
in quarantine.
"""

from pumasi.extract.contract import Column, Format, Kind, Table
from pumasi.extract.formats.omop_cdm import ETHNICITIES, GENDERS, RACES

PATIENT = Column("patient_id", Kind.PERSON, ("patient",), required=True, domain="person")
ENCOUNTER = Column("encounter_id", Kind.VISIT, ("encounter",), expected=True, domain="visit")
PROVIDER = Column("provider_id", Kind.PLACE, ("provider",), domain="provider")
ORGANIZATION = Column("care_site_id", Kind.PLACE, ("organization",), domain="care_site")
CODE = Column("code", Kind.CODE, required=True)


SYNTHEA_CSV = Format(
    name="synthea_csv",
    containers=frozenset({"csv", "parquet"}),
    tables=(
        Table(
            "patients",
            (
                Column("patient_id", Kind.PERSON, ("id",), required=True, domain="person"),
                Column("split_key", Kind.SPLIT, ("id",), domain="split"),
                Column("gender", Kind.VALUE, required=True, values=GENDERS),
                Column("birth_year", Kind.YEAR, ("birthdate",), required=True),
                Column("birth_month", Kind.MONTH, ("birthdate",)),
                Column("race", Kind.VALUE, values=RACES),
                Column("ethnicity", Kind.VALUE, values=ETHNICITIES),
                Column("death_date", Kind.DATE, ("deathdate",), expected=True),
            ),
            required=True,
        ),
        Table(
            "encounters",
            (
                Column("encounter_id", Kind.VISIT, ("id",), required=True, domain="visit"),
                PATIENT,
                Column("encounter_class", Kind.CODE, ("encounterclass",), required=True),
                Column("start_at", Kind.TIMESTAMP, ("start",), required=True),
                Column("stop_at", Kind.TIMESTAMP, ("stop",), expected=True),
                Column("code", Kind.CODE, expected=True),
                PROVIDER,
                ORGANIZATION,
            ),
        ),
        Table(
            "conditions",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("start_date", Kind.DATE, ("start",), required=True),
                Column("stop_date", Kind.DATE, ("stop",), expected=True),
            ),
        ),
        Table(
            "medications",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("start_at", Kind.TIMESTAMP, ("start",), required=True),
                Column("stop_at", Kind.TIMESTAMP, ("stop",), expected=True),
                Column("dispenses", Kind.INTEGER, expected=True),
            ),
        ),
        Table(
            "observations",
            (
                PATIENT,
                ENCOUNTER,
                Column("category", Kind.CODE),
                CODE,
                Column("observed_at", Kind.TIMESTAMP, ("date",), required=True),
                # One source column holds numbers and words: each is read as what it is.
                Column("value_number", Kind.DOUBLE, ("value",), expected=True),
                Column("value_text", Kind.VALUE, ("value",), expected=True),
                Column("unit", Kind.CODE, ("units",), expected=True),
                Column("value_type", Kind.CODE, ("type",)),
            ),
        ),
        Table(
            "procedures",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("start_at", Kind.TIMESTAMP, ("start",), required=True),
                Column("stop_at", Kind.TIMESTAMP, ("stop",), expected=True),
            ),
        ),
        Table(
            "immunizations",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("given_at", Kind.TIMESTAMP, ("date",), required=True),
            ),
        ),
        Table(
            "devices",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("start_at", Kind.TIMESTAMP, ("start",), required=True),
                Column("stop_at", Kind.TIMESTAMP, ("stop",), expected=True),
            ),
        ),
        Table(
            "supplies",
            (
                PATIENT,
                ENCOUNTER,
                CODE,
                Column("supplied_on", Kind.DATE, ("date",), required=True),
                Column("quantity", Kind.INTEGER, expected=True),
            ),
        ),
        Table(
            "payer_transitions",
            (
                PATIENT,
                Column("start_date", Kind.DATE, ("start_year", "start_date"), required=True),
                Column("end_date", Kind.DATE, ("end_year", "end_date"), required=True),
                # Of a payer there is an id that is the same in every export.
                Column("payer", Kind.CODE, expected=True),
            ),
        ),
        Table(
            "claims_transactions",
            (
                Column("transaction_id", Kind.EVENT, ("id",), required=True, domain="transaction"),
                Column("patient_id", Kind.PERSON, ("patientid",), required=True, domain="person"),
                Column(
                    "encounter_id", Kind.VISIT, ("appointmentid",), expected=True, domain="visit"
                ),
                Column("type", Kind.CODE, required=True),
                Column("amount", Kind.DOUBLE, expected=True),
                Column("method", Kind.CODE, expected=True),
                Column("payments", Kind.DOUBLE, expected=True),
            ),
        ),
        Table(
            "organizations",
            (
                Column("care_site_id", Kind.PLACE, ("id",), required=True, domain="care_site"),
                Column("name", Kind.VALUE),
            ),
        ),
        Table(
            "providers",
            (
                Column("provider_id", Kind.PLACE, ("id",), required=True, domain="provider"),
                ORGANIZATION,
                Column("gender", Kind.VALUE, values=GENDERS),
                Column("speciality", Kind.VALUE, ("speciality", "specialty")),
            ),
        ),
    ),
)
