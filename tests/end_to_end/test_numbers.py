"""The shared data sets pass through to releases, and the numbers in them are the known ones."""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from pathlib import Path

import duckdb
import pytest

from pumasi.learn.task import load_model
from pumasi.quality import Status
from tests.end_to_end.network import Built

PERSONS = {"gibleed": 2694, "synthea27nj": 28, "smart": 615, "tietai": 200, "synthea27": 27}
ANY_ASTHMA = {"gibleed": 101, "synthea27nj": 1, "smart": 11, "tietai": 12, "synthea27": 1}
# Its vocabulary has no concept_ancestor, so no drug leads to an ingredient and there are no eras.
WITHOUT_DRUG_ERAS = "synthea27nj"
TWO_DIAGNOSES = ("korean_claims_date", "base_cohort_date")


def answer(built: Built, query: str) -> list[tuple[object, ...]]:
    """Rows of a query on the tables of the release, each read from its verified file."""
    with duckdb.connect() as connection:
        for name, file in built.parquet.items():
            connection.execute(f"create view {name} as from read_parquet('{file}')")
        return connection.execute(query).fetchall()


def test_every_person_of_the_set_is_in_the_release(built: Built) -> None:
    assert answer(built, "select count(*), count(distinct person_id) from person") == [
        (PERSONS[built.site], PERSONS[built.site])
    ]


def test_everybody_with_asthma_is_in_the_cohort(built: Built) -> None:
    assert answer(built, "select count(*), count(any_asthma_date) from asthma__cohort") == [
        (ANY_ASTHMA[built.site], ANY_ASTHMA[built.site])
    ]


def test_the_gate_is_open_unless_a_table_is_empty_that_nobody_declared(built: Built) -> None:
    reasons = built.release.reasons_closed()
    if built.site != WITHOUT_DRUG_ERAS:
        assert (reasons, built.code) == ([], 0), built.said
        return
    assert built.code == 1
    assert "drug_era.has_rows" in {reason.partition(":")[0] for reason in reasons}
    assert {reason.partition(".")[0] for reason in reasons} == {"drug_era"}
    assert all("nothing to check, and it is not declared" in reason for reason in reasons)


def test_a_closed_gate_trains_nothing(built: Built) -> None:
    if built.release.reasons_closed():
        assert not list(built.paths.models.rglob("*.json"))


def declared() -> list[dict[str, str]]:
    """What fails in these sets and is true of them: set or *, pattern of checks, and why."""
    with Path(__file__).with_name("declared.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def failed(built: Built) -> list[str]:
    """Names of the checks of any severity that failed or broke."""
    wrong = (Status.FAILED, Status.ERROR)
    return [outcome.name for outcome in built.release.outcomes if outcome.status in wrong]


def test_nothing_fails_but_what_is_declared_of_the_set(built: Built) -> None:
    patterns = [row["check"] for row in declared() if row["site"] in ("*", built.site)]
    false_alarms = [
        name
        for name in failed(built)
        if not any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    assert false_alarms == []


def test_what_is_declared_does_fail(all_built: list[Built]) -> None:
    names = {built.site: failed(built) for built in all_built}
    stale = [
        row
        for row in declared()
        if not any(
            fnmatchcase(name, row["check"])
            for site in (names if row["site"] == "*" else [row["site"]])
            for name in names[site]
        )
    ]
    assert stale == []


class TestGiBleed:
    def test_five_persons_have_asthma_and_ninety_six_childhood_asthma(self, gibleed: Built) -> None:
        query = """
            select condition_concept_id, count(distinct person_id)
            from condition_occurrence semi join asthma__cohort using (person_id)
            where condition_concept_id in (317009, 4051466)
            group by all order by all
        """
        assert answer(gibleed, query) == [(317009, 5), (4051466, 96)]

    @pytest.mark.parametrize("definition", TWO_DIAGNOSES)
    def test_nobody_meets_a_definition_that_wants_two_diagnoses(
        self, gibleed: Built, definition: str
    ) -> None:
        assert answer(gibleed, f"select count({definition}) from asthma__cohort") == [(0,)]

    def test_the_new_users_are_those_of_the_tutorial(self, gibleed: Built) -> None:
        query = "select drug, count(*) from gi_bleed__new_users group by all order by all"
        assert answer(gibleed, query) == [("celecoxib", 1844), ("diclofenac", 850)]

    def test_479_persons_have_a_gi_bleed(self, gibleed: Built) -> None:
        query = """
            select count(distinct person_id) from condition_occurrence
            where condition_concept_id = 192671
        """
        assert answer(gibleed, query) == [(479,)]

    def test_64_717_conditions_name_a_visit_that_is_not_there(self, gibleed: Built) -> None:
        assert lost(gibleed, "condition_occurrence", "visit_occurrence") == 64_717
        query = """
            select count(*), count(visit_occurrence_id),
                count(*) filter (where visit_occurrence_id not in
                    (select visit_occurrence_id from visit_occurrence))
            from condition_occurrence
        """
        # 64 conditions name no visit; those that remain name one that is there.
        assert answer(gibleed, query) == [(65_332, 65_332 - 64 - 64_717, 0)]

    def test_2_649_observation_periods_belong_to_nobody_who_is_there(self, gibleed: Built) -> None:
        assert lost(gibleed, "observation_period", "person") == 2649
        fates = [
            (row["fate"], row["rule"], row["rows"])
            for row in gibleed.accounts("row_fates")
            if row["source_table"] == "observation_period"
        ]
        assert sorted(fates, key=str) == [
            ("in_omop", None, 2694),
            ("quarantined", "person_not_delivered", 2649),
        ]

    def test_a_model_is_trained_that_names_its_release(self, gibleed: Built) -> None:
        (file,) = gibleed.paths.models.rglob("*.json")
        model = load_model(file)
        assert (file.parent.name, file.stem) == ("gi_bleed_risk", gibleed.release.id)
        assert model.release == gibleed.release.id
        assert model.n_train + model.n_test + model.n_outcome_not_observed + model.n_excluded + (
            model.n_incomplete
        ) == sum([1844, 850])
        assert 0.5 < model.auroc.lower < model.auroc.estimate < model.auroc.upper < 1


def lost(built: Built, table: str, reference: str) -> object:
    """References from a table that lead nowhere, as sealed."""
    (rows,) = [
        row["rows_lost"]
        for row in built.accounts("reference_losses")
        if (row["table_name"], row["reference"]) == (table, reference)
    ]
    return rows
