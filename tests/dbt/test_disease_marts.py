"""The marts on Fabry disease, asthma treatment and comorbidity, on persons worked out by hand.

Each person is a story of a few records; the numbers beside them were counted on paper, or are the
test vectors of a published equation. What the single rules do at their edges, the unit tests of
the models show.
"""

from collections.abc import Iterator
from datetime import date
from itertools import count
from typing import Any

import pytest

from pumasi.compiled import CompiledProject
from tests.dbt.test_marts import (
    ASTHMA,
    EMERGENCY,
    FEMALE,
    ICS,
    MALE,
    OFFICE,
    SABA,
    Hospital,
    Person,
    Record,
    built,
)

FABRY, OTHER_SPHINGOLIPIDOSIS, PROTEINURIA = 4042934, 2000000212, 75650
DIABETES, DIABETIC_EYE, ESRD = 201826, 443767, 193782
ENZYME, LYSO_GB3, GLA, PATHOGENIC = 2000000002, 2000000001, 2000000004, 2000000101
CREATININE, EOSINOPHILS = 3016723, 3028615
AGALSIDASE, ENALAPRIL = 1525746, 1341927

START = date(2010, 1, 1)
END = date(2020, 12, 31)
numbers = count(1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def at(concept: int, event: str, known: str | None = None, **more: Any) -> Record:
    """Say that a thing happened on a day and was known on it, or on another."""
    return Record(next(numbers), concept, day(event), day(known or event), **more)


def seen_monthly(person: int, born: str, until: date = END, **more: Any) -> Person:
    """Return a person with a visit on the 15th of each month, observed to a day."""
    seen = Person(person, day(born), periods=[(START, until)], **more)
    for month in range(12 * 11):
        first = date(2010 + month // 12, month % 12 + 1, 15)
        if first <= until:
            seen.visits.append(Record(next(numbers), OFFICE, first, first, end=first))
    return seen


def rows(hospital: Hospital, mart: str, person: int, order: str) -> list[dict[str, Any]]:
    relation = hospital.connection.sql(
        f"select * from marts.{mart} where person_id = {person} order by {order}"
    )
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


# Serum creatinine, age and sex; eGFR to a tenth, as in the clinical fact sheet.
VECTORS = [
    (0.6, 30, FEMALE, 123.8),
    (0.9, 30, MALE, 117.8),
    (1.0, 50, MALE, 91.7),
    (1.0, 50, FEMALE, 68.6),
    (1.5, 45, MALE, 58.1),
    (2.5, 60, FEMALE, 21.5),
]


def with_creatinine(person: int, creatinine: float, age: int, sex: int) -> Person:
    measured = at(CREATININE, "2015-06-15", value=creatinine)
    return Person(person, date(2015 - age, 1, 1), sex=sex, measurements=[measured])


def case() -> Person:
    """A man who is thought of after proteinuria, and treated half a year later."""
    person = seen_monthly(20, "1980-03-01", sex=MALE)
    person.conditions += [
        at(PROTEINURIA, "2013-05-10", "2013-05-12"),
        at(OTHER_SPHINGOLIPIDOSIS, "2015-02-01"),
        at(FABRY, "2015-03-03"),
        at(ESRD, "2018-01-01"),
    ]
    person.measurements += [
        at(ENZYME, "2015-01-20", "2015-01-25"),
        at(GLA, "2015-02-20", "2015-04-01", value_concept=PATHOGENIC),
        *(at(CREATININE, f"{year}-01-15", value=1.0) for year in (2011, 2012, 2013)),
    ]
    person.drugs.append(at(AGALSIDASE, "2015-08-01", days_supply=14))
    return person


def by_enzyme(sex: int) -> Person:
    person = seen_monthly(30 if sex == MALE else 31, "1970-01-01", sex=sex)
    person.measurements += [
        at(ENZYME, "2016-01-10", "2016-01-20", value=0.9),
        at(ENZYME, "2016-02-10", "2016-02-20", value=1.1),
        at(LYSO_GB3, "2016-01-10", "2016-03-01", value=40.0),
    ]
    return person


def asthmatic() -> Person:
    """Budesonide for 30 days each month of 2014 and 2015 but for May 2015, and one attack."""
    person = seen_monthly(40, "1975-07-01")
    person.conditions += [at(ASTHMA, "2012-01-10"), at(ASTHMA, "2012-06-10")]
    for month in (m for m in range(24) if m != 16):
        first = str(date(2014 + month // 12, month % 12 + 1, 1))
        person.drugs.append(at(ICS, first, days_supply=30))
    person.drugs += [at(SABA, f"2015-0{month}-05") for month in (1, 2, 3)]
    visit = at(EMERGENCY, "2015-06-20", end=day("2015-06-20"))
    person.visits.append(visit)
    person.conditions.append(at(ASTHMA, "2015-06-20", visit=visit.id))
    person.measurements += [
        at(EOSINOPHILS, "2015-01-15", value=420.0),
        at(EOSINOPHILS, "2015-03-15", "2015-09-01", value=90.0),
    ]
    return person


def comorbid() -> Person:
    person = Person(50, day("1950-01-01"))
    person.conditions += [at(DIABETES, "2012-01-01"), at(DIABETIC_EYE, "2014-01-01")]
    person.drugs += [
        at(ENALAPRIL, "2013-01-01", end=day("2013-01-30")),
        at(ENALAPRIL, "2013-02-20", end=day("2013-03-20")),
        at(ENALAPRIL, "2014-06-01", end=day("2014-06-30")),
    ]
    return person


@pytest.fixture(scope="module")
def hospital(fhir_project: CompiledProject) -> Iterator[Hospital]:
    persons = [
        *(with_creatinine(1 + n, *vector[:3]) for n, vector in enumerate(VECTORS)),
        with_creatinine(9, 0.6, 17, FEMALE),
        case(),
        by_enzyme(MALE),
        by_enzyme(FEMALE),
        asthmatic(),
        comorbid(),
    ]
    with built(fhir_project, tuple(persons)) as made:
        yield made


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_egfr_is_that_of_the_test_vectors(hospital: Hospital, number: int) -> None:
    (measured,) = rows(hospital, "fabry__kidney_course", 1 + number, "measured_date")
    assert measured["egfr"] == pytest.approx(VECTORS[number][3], abs=0.05)


def test_children_have_a_creatinine_and_no_egfr(hospital: Hospital) -> None:
    (measured,) = rows(hospital, "fabry__kidney_course", 9, "measured_date")
    assert (measured["creatinine"], measured["age_at_measurement"], measured["egfr"]) == (
        0.6,
        17,
        None,
    )


def test_a_case_meets_each_definition_when_its_last_part_is_known(hospital: Hospital) -> None:
    (found,) = rows(hospital, "fabry__cohort", 20, "person_id")
    assert {name: str(value) for name, value in found.items() if name.endswith("_date")} == {
        "suspicion_date": "2015-01-25",
        "possible_date": "2015-02-01",
        "probable_date": "2015-03-03",
        "definite_date": "2015-04-01",
        "definite_by_therapy_date": "2015-08-01",
        "definite_by_gene_date": "2015-04-01",
        "definite_by_enzyme_date": "None",
    }
    evidence = rows(hospital, "fabry__evidence", 20, "evidence_date, kind")
    assert [(row["kind"], row["is_specific"]) for row in evidence] == [
        ("proteinuria", False),
        ("fabry_enzyme_test", True),
        ("fabry_disease", True),
        ("fabry_disease", True),
        ("fabry_gla_test", True),
        ("gla_pathogenic", True),
        ("fabry_therapy", True),
        ("chronic_kidney_disease", False),
    ]


def test_the_enzyme_makes_a_case_of_a_man_and_not_of_a_woman(hospital: Hospital) -> None:
    (man,) = rows(hospital, "fabry__cohort", 30, "person_id")
    (woman,) = rows(hospital, "fabry__cohort", 31, "person_id")
    assert (man["definite_date"], woman["definite_date"]) == (day("2016-03-01"), None)


def test_a_case_is_screened_before_suspicion_and_labelled_by_what_followed(
    hospital: Hospital,
) -> None:
    screened = rows(hospital, "fabry__screening_features", 20, "gate desc, index_date")
    gate, general = screened[0], screened[1:]
    assert (gate["gate"], gate["index_date"]) == ("kidney", day("2013-05-12"))
    assert (gate["had_proteinuria"], gate["organ_systems"], gate["age_at_index"]) == (False, 0, 33)
    # Creatinine 1.0 at 30, 31 and 32 years: eGFR falls by the age factor alone, 0.62 % a year.
    assert gate["last_egfr"] == pytest.approx(102.55, abs=0.05)
    assert gate["egfr_slope_per_year"] == pytest.approx(-0.64, abs=0.01)
    assert (gate["is_suspected_by_180"], gate["is_suspected_by_365"]) == (False, False)
    assert (gate["has_fabry_5y"], gate["has_died_5y"]) == (True, False)
    # Seen for a year on 1 January 2012; five years from 2017 on end after the extract.
    assert [(row["index_date"].year, row["is_suspected_by_180"], row["has_fabry_5y"])
            for row in general] == [
        (2012, False, True),
        (2013, False, True),
        (2014, False, True),
        (2015, True, False),
        (2016, True, False),
        *((year, True, None) for year in range(2017, 2022)),
    ]  # fmt: skip
    assert [row["had_proteinuria"] for row in general[:3]] == [False, False, True]


def test_every_feature_of_the_seed_is_a_column(hospital: Hospital) -> None:
    seed = hospital.connection.sql("select feature from intermediate.fabry_features").fetchall()
    columns = hospital.connection.sql("from marts.fabry__screening_features").columns
    of_values = {"egfr_below_60", "albuminuria_a3", "wall_of_13_mm", "short_pr_interval"}
    had = {name.removeprefix("had_") for name in columns if name.startswith("had_")}
    assert had - of_values == {feature for (feature,) in seed}


def test_features_and_outcomes_of_a_month_at_risk(hospital: Hospital) -> None:
    at_risk = {str(row["index_date"]): row for row in rows(
        hospital, "asthma__risk_features", 40, "index_date")}  # fmt: skip
    # Asthma is known on 2012-01-10; the attack of 20 June 2015 bars the 14 days after it.
    assert min(at_risk) == "2012-02-01"
    assert {"2015-06-01", "2015-08-01"} <= at_risk.keys()
    assert "2015-07-01" not in at_risk
    june, august = at_risk["2015-06-01"], at_risk["2015-08-01"]
    assert (june["has_exacerbation_12m"], june["has_acute_exacerbation_12m"]) == (True, True)
    assert (august["has_exacerbation_12m"], august["attacks_3m"], august["acute_visits_12m"]) == (
        False,
        1,
        1,
    )
    assert (june["attacks_24m"], august["days_since_attack"]) == (0, 42)
    assert (june["saba_canisters_12m"], june["overuses_saba"], june["gina_step"]) == (3, True, 2)
    # From 1 June 2014 to 31 May 2015 eleven supplies of 30 days are used up within the 365 days:
    # what February leaves goes on into March, and from there to 1 May.
    assert june["ics_pdc_12m"] == pytest.approx(330 / 365)
    assert (june["last_eosinophils"], june["highest_eosinophils"]) == (420.0, 420.0)
    assert at_risk["2015-09-01"]["last_eosinophils"] == 420.0
    assert at_risk["2015-10-01"]["last_eosinophils"] == 90.0
    assert june["charlson_2011"] == 0


def test_a_treatment_episode_ends_thirty_days_after_the_last_supply(hospital: Hospital) -> None:
    episodes = rows(hospital, "asthma__treatment_episodes", 40, "kind, episode_start_date")
    inhaled = [row for row in episodes if row["treatment"] == "asthma_ics"]
    assert [(str(row["episode_start_date"]), row["fill_count"]) for row in inhaled] == [
        ("2014-01-01", 16),
        ("2015-06-01", 7),  # April's supply ends on 1 May, 31 days before
    ]
    steps = [row for row in episodes if row["kind"] == "gina_step"]
    assert {row["gina_step"] for row in steps} == {2}


def test_comorbidity_and_comedication(hospital: Hospital) -> None:
    charlson = rows(hospital, "core__charlson", 50, "category")
    assert [
        (row["category"], str(row["known_date"]), str(row["outranked_date"])) for row in charlson
    ] == [
        ("diabetes", "2012-01-01", "2014-01-01"),
        ("diabetes_complicated", "2014-01-01", "None"),
    ]
    episodes = rows(hospital, "core__comedication", 50, "episode_start_date")
    assert [
        (str(row["episode_start_date"]), str(row["episode_end_date"]), row["exposure_count"])
        for row in episodes
    ] == [("2013-01-01", "2013-03-20", 2), ("2014-06-01", "2014-06-30", 1)]
