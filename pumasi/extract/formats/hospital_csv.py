"""What a Korean hospital's data warehouse exports as CSV: the tables and columns that enter.

Names, resident registration numbers, regions and departments stay outside; so does the hospital's
data dictionary, which is for people. Diagnoses are KCD, everything else has codes of the house,
which the hospital's own mapping table leads to standard concepts. Days may be written 20240131.

The columns that carry facts are *expected*: without one, data would be lost.
"""

from pumasi.extract.contract import Column, Format, Kind, Table

# As the export writes them; another word is admitted by the site's value map.
SEXES = ("M", "F")

PATIENT = Column("patient_no", Kind.PERSON, required=True, domain="person")
ENCOUNTER = Column("encounter_no", Kind.VISIT, expected=True, domain="visit")


def _key(name: str, domain: str) -> Column:
    return Column(name, Kind.EVENT, required=True, domain=domain)


def _code(name: str, required: bool = False) -> Column:
    return Column(name, Kind.CODE, required=required, expected=True)


def _day(name: str) -> Column:
    return Column(name, Kind.DATE, expected=True, compact=True)


def _time(name: str, required: bool = False) -> Column:
    return Column(name, Kind.TIMESTAMP, required=required, expected=True, compact=True)


def _number(name: str) -> Column:
    return Column(name, Kind.DOUBLE, expected=True)


HOSPITAL_CSV = Format(
    name="hospital_csv",
    containers=frozenset({"csv", "parquet"}),  # parquet: what a database gives
    tables=(
        Table(
            "patients",
            (
                PATIENT,
                Column("split_key", Kind.SPLIT, ("patient_no",), domain="split"),
                Column("sex", Kind.VALUE, required=True, values=SEXES),
                Column("birth_year", Kind.YEAR, ("birth_date",), required=True, compact=True),
                Column("birth_month", Kind.MONTH, ("birth_date",), compact=True),
                _day("death_date"),
            ),
            required=True,
        ),
        Table(
            "encounters",
            (
                Column("encounter_no", Kind.VISIT, required=True, domain="visit"),
                PATIENT,
                _code("visit_type", required=True),
                _time("start_datetime", required=True),
                _time("end_datetime"),
            ),
        ),
        Table(
            "diagnoses",
            (
                _key("diagnosis_no", "diagnosis"),
                PATIENT,
                ENCOUNTER,
                _code("kcd_code", required=True),
                _code("kcd_version"),
                _code("diagnosis_type"),
                _day("diagnosed_date"),
                _time("recorded_datetime"),
            ),
        ),
        Table(
            "orders",
            (
                _key("order_no", "order"),
                PATIENT,
                ENCOUNTER,
                _code("order_code", required=True),
                _day("ordered_date"),
                _number("quantity"),
                _number("daily_dose"),
                _number("daily_times"),
                Column("days", Kind.INTEGER, expected=True),
                _code("route"),
                _time("recorded_datetime"),
            ),
        ),
        Table(
            "lab_results",
            (
                _key("result_no", "result"),
                PATIENT,
                ENCOUNTER,
                _code("lab_code", required=True),
                _day("specimen_date"),
                _time("reported_datetime"),
                _number("value_number"),
                Column("value_text", Kind.VALUE, expected=True),
                _code("unit"),
            ),
        ),
        Table(
            "procedures",
            (
                _key("procedure_no", "procedure"),
                PATIENT,
                ENCOUNTER,
                _code("procedure_code", required=True),
                _day("performed_date"),
                _time("recorded_datetime"),
            ),
        ),
    ),
)
