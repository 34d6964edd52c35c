"""Faults in simulated hospitals end to end: one of each format is caught, and none without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quality import cases as running
from benchmarks.quality.cases import (
    Case,
    Result,
    cases,
    code_hash,
    compiled,
    results,
    run,
    run_case,
)
from benchmarks.quality.catalogue import QUARANTINED, REFUSED, faults
from benchmarks.quality.declared import declared
from benchmarks.quality.report import (
    Found,
    alarm_rows,
    fault_rows,
    found,
    lower_bound,
    surely,
)
from expectations.suites import SUITES
from pumasi.compiled import CompiledProject
from pumasi.quality import dbt_checks
from pumasi.quality.catalogue import build_checks
from pumasi.quality.drift import (
    AGE_AND_SEX,
    CONCEPTS,
    MAPPED,
    SAME_PERSONS,
    STILL_THERE,
    VALUES,
    VOLUME,
)
from pumasi.simulate.world import HOSPITALS

FAULTS = {fault.id: fault for fault in faults()}
# One of each format, and what names it: conservation, Great Expectations, the catalogue, reading.
CAUGHT = {
    "diagnoses_of_unknown_patients": "haneul",
    "concepts_of_another_domain": "bada",
    "json_broken": "sup",
    "medication_ends_before_it_begins": "deul",
}
BY_TABLE = (
    *(".person_is_delivered", ".visit_is_delivered", ".rows_can_be_read"),
    *(".values_can_be_read", ".rows_enter_omop"),
    *(".no_month_is_missing", ".no_test_fell_silent"),
    *(f".{name}" for name in (AGE_AND_SEX, SAME_PERSONS, STILL_THERE, VOLUME, CONCEPTS, MAPPED)),
    f"_{VALUES}",
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where cases are run, and where nothing of them is left."""
    folder = tmp_path_factory.mktemp("work")
    yield folder
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledProject]:
    """The project compiled for every format; dbt takes half a minute."""
    return compiled(HOSPITALS, tmp_path_factory.mktemp("compiled"))


def case(name: str, size_name: str = "gross") -> Case:
    fault = FAULTS[name]
    return Case(fault, fault.hospital, fault.delivery, 1, size_name, fault.sizes[size_name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CAUGHT)
def test_a_gross_fault_is_caught_in_each_format_and_none_where_there_is_none(
    name: str, work: Path, projects: dict[str, CompiledProject]
) -> None:
    hospital = CAUGHT[name]
    result = run_case(case(name), projects[hospital], work)
    assert (result.ended, FAULTS[name].check in result.checks) == ("caught", True)
    clean = run_case(Case(None, hospital, "first", 1), projects[hospital], work)
    assert clean.ended == "built"
    assert FAULTS[name].check not in clean.checks


@pytest.mark.slow
def test_what_is_below_the_promise_is_not_caught_and_what_is_refused_says_so(
    work: Path, projects: dict[str, CompiledProject]
) -> None:
    half = run_case(case("supply_of_years", "half"), projects["haneul"], work)
    assert half.ended == "missed"
    refused = run_case(case("column_renamed"), projects["haneul"], work)
    assert (refused.ended, refused.checks) == ("caught", [])
    later = run_case(case("table_left_out_later"), projects["haneul"], work)
    assert later.ended == "caught"


@pytest.mark.slow
def test_a_case_that_was_run_is_kept_and_the_same_case_again_ends_the_same(
    work: Path, projects: dict[str, CompiledProject], tmp_path: Path
) -> None:
    kept = tmp_path / "kept.csv"
    todo = [case("column_lost"), case("month_thirteen", "promised")]
    first = list(run(todo, projects, work, kept, processes=1))
    assert [result.ended for result in first] == ["caught", "caught"]
    assert results(kept) == first
    assert [result.key for result in first] == [each.key for each in todo]
    again = list(run(todo, projects, work, tmp_path / "again.csv", processes=1))
    assert [r.checks for r in again] == [r.checks for r in first]


@pytest.mark.slow
def test_every_check_that_a_fault_names_is_a_check(projects: dict[str, CompiledProject]) -> None:
    known = {check.name for check in build_checks()} | {REFUSED, QUARANTINED, ""}
    for project in projects.values():
        known |= {check.name for check in dbt_checks(project.manifest)}
    for suite in SUITES.values():
        known |= {(each.meta or {})["check"] for each in suite().expectations}
    named = {fault.check for fault in FAULTS.values()} | {check for _, check in declared()}
    # What is read or held against the release before has its checks by table, of which there are
    # as many as an extract has.
    assert {name for name in named - known if not name.endswith(BY_TABLE)} == set()


def result(name: str, size_name: str, ended: str, seed: int = 1, checks: str = "") -> Result:
    fault = FAULTS[name]
    return Result(
        name, fault.definition, fault.hospital, fault.delivery, str(seed),
        f"{fault.sizes[size_name]:.6g}", size_name, "1", ended, checks, "1.0",
    )  # fmt: skip


def test_above_the_smallest_size_caught_with_95_percent_none_was_caught_less_often() -> None:
    always, nearly, seldom = (20, 20), (38, 40), (18, 20)
    assert surely([Found(0.5, *always), Found(0.1, *nearly), Found(0.05, *seldom)]) == Found(
        0.1, *nearly
    )
    assert surely([Found(0.5, *always), Found(0.1, *seldom), Found(0.05, *always)]) == Found(
        0.5, *always
    )
    assert surely([Found(0.5, *seldom), Found(0.1, *always)]) is None
    assert surely([]) is None


def test_sizes_of_few_hospitals_tell_nothing_but_that_they_were_missed() -> None:
    assert surely([Found(0.5, 2, 2), Found(0.1, 20, 20), Found(0.05, 19, 19)]) == Found(0.1, 20, 20)
    assert surely([Found(0.5, 1, 2), Found(0.1, 20, 20)]) is None


def test_the_lower_bound_of_what_was_caught_is_that_of_clopper_and_pearson() -> None:
    # n of n: alpha to the power of 1 / n. 19 of 20: p where 20 p^19 (1 - p) + p^20 is 0.05.
    assert lower_bound(59, 59) == pytest.approx(0.05 ** (1 / 59), abs=1e-9)
    assert lower_bound(59, 59) > 0.95 > lower_bound(58, 58)
    p = lower_bound(19, 20)
    assert 20 * p**19 * (1 - p) + p**20 == pytest.approx(0.05, abs=1e-9)
    assert lower_bound(0, 0) == lower_bound(0, 5) == 0


def test_a_fault_that_no_check_names_is_not_run_and_is_listed_with_what_is_needed() -> None:
    fault = replace(FAULTS["supply_of_years"], check="", wanted="years of supply are few")
    assert cases([fault], [1, 2], ["gross"]) == []
    row = fault_rows([fault], [])[1]
    assert row[3] == f"no check; needed: {fault.wanted}"
    assert row[4:] == ["-", "-", "-", "never", ""]


def test_every_size_that_is_asked_for_is_run_with_every_seed() -> None:
    fault = FAULTS["supply_of_years"]
    made = cases([fault], [3, 4], ["gross", "half"])
    assert [(c.seed, c.size_name, c.size) for c in made] == [
        (3, "gross", 0.3), (3, "half", 0.006), (4, "gross", 0.3), (4, "half", 0.006),
    ]  # fmt: skip


def test_hospitals_in_which_nothing_could_be_hit_are_not_counted() -> None:
    name = "supply_of_years"
    ended = [("gross", "caught", 1), ("gross", "impossible", 2), ("half", "missed", 1)]
    sizes = found(FAULTS[name], [result(name, *each) for each in ended])
    assert (sizes["gross"].caught, sizes["gross"].of) == (1, 1)
    row = fault_rows([FAULTS[name]], [result(name, *each) for each in ended])[1]
    assert row[4:] == ["30.0%: 1 of 1", "-", "0.6%: 0 of 1", "too few run", ""]


def test_an_alarm_is_what_fails_without_a_fault_and_is_not_declared() -> None:
    about = ("clean", "", "bada", "first")
    clean = [
        Result(*about, str(seed), "0", "", "0", "built", "person.a death.b", "1.0")
        for seed in (1, 2)
    ]
    assert alarm_rows(clean, {("all", "death.b")})[1:] == [["bada", "`person.a`", "2", "2"]]
    broken = Result(*about, "3", "0", "", "0", "refused", "", "1.0")
    assert alarm_rows([broken], set())[1:] == [["bada", "`(refused)`", "1", "1"]]


def test_results_of_other_code_are_not_taken_for_those_of_this(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = code_hash()
    monkeypatch.setattr(running, "CODE", ("expectations",))
    assert code_hash() != here
