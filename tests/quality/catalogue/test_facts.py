"""The catalogue against DQD's lists for CDM 5.4: types, checks, thresholds; names and ids."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pumasi.config import project_root
from pumasi.omop import cdm_tables
from pumasi.quality import Severity
from pumasi.quality.catalogue import CheckType, check_types, concrete_checks
from pumasi.quality.catalogue import checks as catalogue
from pumasi.quality.catalogue.checks import own_checks, own_types

Row = Mapping[str, str]
DATA = Path(catalogue.__file__).parent / "data"
LEVELS = {"TABLE": "Table", "FIELD": "Field", "CONCEPT": "Concept"}


def listed(shared_data: Path, name: str) -> list[Row]:
    path = shared_data / "dqd_5.4" / f"OMOP_CDMv5.4_{name}.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def applies(type_: Row) -> Callable[[Row], bool]:
    """DQD's own rule for which rows of its lists a type applies to: `x=='Yes' & y!=''`."""
    terms = re.findall(r"(\w+)\s*(==|!=)\s*'(\w*)'", type_["evaluationFilter"])
    assert terms
    return lambda row: all((row[name] == value) is (sign == "==") for name, sign, value in terms)


def test_there_are_27_types_as_dqd_classifies_them(shared_data: Path) -> None:
    theirs = {
        row["checkName"]: (
            row["checkLevel"],
            row["kahnCategory"].lower(),
            row["kahnSubcategory"],
            row["kahnContext"].lower(),
            row["severity"],
        )
        for row in listed(shared_data, "Check_Descriptions")
    }
    ours = {
        t.name: (t.level, t.category, t.subcategory, t.context, t.severity)
        for t in check_types().values()
    }
    assert len(ours) == 27
    assert ours == theirs


def test_each_type_has_the_checks_and_thresholds_of_dqd(shared_data: Path) -> None:
    theirs: Counter[tuple[str, str, str, str, float]] = Counter()
    for type_ in listed(shared_data, "Check_Descriptions"):
        name, applies_to = type_["checkName"], applies(type_)
        for row in listed(shared_data, f"{LEVELS[type_['checkLevel']]}_Level"):
            if applies_to(row):
                place = (row["cdmTableName"].lower(), row.get("cdmFieldName", "").lower())
                concepts = row.get("conceptId", "").replace(" ", "")
                threshold = float(row.get(f"{name}Threshold") or 0)
                theirs[name, *place, concepts, threshold] += 1
    ours = Counter(
        (c.type.name, c.table, c.field, ",".join(map(str, c.concept_ids)), c.percent)
        for c in concrete_checks()
    )
    assert ours.total() == 2535
    assert ours == theirs


@pytest.mark.parametrize(
    ("type_", "column"),
    [("plausibleValueLow", "plausibleValueLow"), ("plausibleValueHigh", "plausibleValueHigh")],
)
def test_limits_are_those_of_dqd(shared_data: Path, type_: str, column: str) -> None:
    def ours(value: str) -> str:
        dates = {"DATEADD(dd,1,GETDATE())": "tomorrow", "YEAR(GETDATE())+1": "next year"}
        return dates.get(value, re.sub(r"'(\d{4})(\d\d)(\d\d)'", r"\1-\2-\3", value))

    theirs = {
        (row["cdmTableName"].lower(), row["cdmFieldName"].lower()): ours(row[column])
        for row in listed(shared_data, "Field_Level")
        if row[column]
    }
    checks = [check for check in concrete_checks() if check.type.name == type_]
    assert {(check.table, check.field): check.value for check in checks} == theirs


def test_what_a_field_is_compared_with_is_as_dqd_says_but_for_one(shared_data: Path) -> None:
    other = {
        "isForeignKey": ("fkTableName", "fkFieldName"),
        "plausibleTemporalAfter": (
            "plausibleTemporalAfterTableName",
            "plausibleTemporalAfterFieldName",
        ),
        "plausibleStartBeforeEnd": ("cdmTableName", "plausibleStartBeforeEndFieldName"),
        "sourceValueCompleteness": ("cdmTableName", "standardConceptFieldName"),
    }
    fields = {
        (row["cdmTableName"].lower(), row["cdmFieldName"].lower()): row
        for row in listed(shared_data, "Field_Level")
    }
    differing = []
    for check in concrete_checks():
        if check.type.name in other:
            row = fields[check.table, check.field]
            theirs = tuple(row[column].lower() for column in other[check.type.name])
            if (check.other_table, check.other_field) != theirs:
                differing.append((check.name, theirs))
    # There the release of the source is compared with itself, which can't fail.
    assert differing == [
        (
            "cdm_source.source_release_date_is_not_after_cdm_release_date",
            ("cdm_source", "source_release_date"),
        )
    ]


def test_domains_classes_genders_and_units_are_those_of_dqd(shared_data: Path) -> None:
    theirs = {}
    for level, names in (
        ("Field", ("fkDomain", "fkClass")),
        (
            "Concept",
            ("plausibleGender", "plausibleGenderUseDescendants", "plausibleUnitConceptIds"),
        ),
    ):
        for row in listed(shared_data, f"{level}_Level"):
            for name in names:
                if row[name]:
                    concepts = row.get("conceptId", "").replace(" ", "")
                    place = (row["cdmTableName"].lower(), row["cdmFieldName"].lower(), concepts)
                    value = row[name] if level == "Field" else row[name].replace(" ", "")
                    theirs[name, *place] = value
    names = {name for name, *_ in theirs}
    ours = {
        (c.type.name, c.table, c.field, ",".join(map(str, c.concept_ids))): c.value
        for c in concrete_checks()
        if c.type.name in names
    }
    assert ours == theirs


def page() -> str:
    return (project_root() / "DATA_QUALITY.md").read_text(encoding="utf-8")


def test_the_page_on_data_quality_lists_every_type_as_it_is() -> None:
    numbers = Counter(check.type.name for check in concrete_checks())
    for t in check_types().values():
        kind = f"{t.level.lower()} | {t.category}, {t.context} | {numbers[t.name]} | {asked_by(t)}"
        assert f"\n| {t.name} | {kind} | {t.violation} | {t.denominator} |\n" in page()


def asked_by(type_: CheckType) -> str:
    """Who asks the checks of a type in a build, as the page says it."""
    checkers = {check.in_build for check in concrete_checks() if check.type == type_}
    return "concepts: catalogue; else dbt" if len(checkers) == 2 else str(*checkers)


def test_the_page_lists_every_type_of_its_own_as_it_is() -> None:
    for t in own_types().values():
        shares = [check.percent for check in own_checks() if check.type == t]
        allowed = ", ".join(f"{share:g}%" for share in sorted(set(shares)))
        kind = f"{t.level.lower()} | {t.category}, {t.context} | {len(shares)} | {allowed}"
        assert f"\n| {t.name} | {kind} | {t.violation} | {t.denominator} |\n" in page()
    assert {check.as_check().severity for check in own_checks()} == {Severity.WARN}


def test_the_page_lists_every_departure_and_no_other() -> None:
    with (DATA / "departures.csv").open(encoding="utf-8", newline="") as stream:
        departures = {departure(row) for row in csv.DictReader(stream)}
    section = page().partition("### Departures from DQD\n")[2].partition("\n### ")[0]
    listed = {line for line in section.splitlines() if line.startswith("| ")}

    assert sorted(departures - listed) == [], "put these rows into DATA_QUALITY.md"
    assert listed - departures == {"| type | of | threshold | severity | why |"}


def departure(row: Row) -> str:
    place = ".".join(filter(None, (row["table"], row["field"])))
    threshold = f"{row['threshold']}%" if row["threshold"] else "DQD's"
    of = f"`{place}`" if place else "all"
    severity = row["severity"] or "DQD's"
    return f"| {row['check']} | {of} | {threshold} | {severity} | {row['reason']} |"


def test_names_and_ids_are_each_used_once() -> None:
    checks = concrete_checks()
    assert len({check.name for check in checks}) == len(checks)
    assert len({check.dqd_id for check in checks}) == len(checks)


def test_ids_are_built_as_dqd_builds_them() -> None:
    ids = {check.dqd_id for check in concrete_checks()}
    assert {
        "table_cdmtable_person",
        "field_isrequired_person_person_id",
        "concept_plausiblegender_condition_occurrence_condition_concept_id_26662",
        "concept_plausiblegenderusedescendants_condition_occurrence_condition_concept_id_"
        "4090861,4025213",
    } <= ids


def test_every_check_is_of_a_field_of_the_cdm() -> None:
    fields = {(f.table, f.name) for table in cdm_tables().values() for f in table.fields}
    for check in concrete_checks():
        assert check.table in cdm_tables()
        assert not check.field or (check.table, check.field) in fields
        assert not check.other_field or (check.other_table, check.other_field) in fields
