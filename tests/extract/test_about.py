"""Rows that name no person get the one of their record, and go with it."""

from datetime import UTC, date, datetime
from pathlib import Path

from pumasi.extract.about import NO_RECORD
from pumasi.withdrawal import withdraw
from tests.extract.extracts import OMOP, Taken, site_of, take_in, take_in_files, write_files

VISITS = (
    "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date\n"
    "501,101,9201,2015-02-03,2015-02-10\n11,102,9202,2016-03-04,2016-03-04\n"
)
HEADER = "cost_id,cost_event_id,cost_domain_id,total_charge\n"
FILES = OMOP | {"visit_occurrence.csv": VISITS}


def persons(taken: Taken) -> dict[int, int]:
    """Year of birth by keyed hash."""
    return dict(taken.rows("person", "person_id, year_of_birth"))


def costs(taken: Taken) -> list[tuple[int, float]]:
    """Whose cost each is, by year of birth, and how much."""
    born = persons(taken)
    return [(born[person], n) for person, n in taken.rows("cost", "person_id, total_charge")]


def test_a_cost_gets_the_person_of_the_record_of_its_domain(tmp_path: Path) -> None:
    """Record 11 is a condition of one person and a visit of another."""
    text = HEADER + "1,501,Visit,10\n2,11,Visit,20\n3,11,Condition,30\n"
    taken = take_in_files(tmp_path, FILES | {"cost.csv": text})
    assert costs(taken) == [(1950, 10.0), (1961, 20.0), (1950, 30.0)]
    keys = "visit_occurrence_id is not null, condition_occurrence_id is not null, drug_exposure_id"
    assert taken.rows("cost", keys) == [
        (True, False, None),
        (True, False, None),
        (False, True, None),
    ]


def test_a_cost_of_no_record_is_quarantined_and_counted(tmp_path: Path) -> None:
    text = HEADER + "1,501,Visit,10\n2,999,Visit,20\n3,501,Drug,30\n4,501,Planet,40\n5,501,,50\n"
    taken = take_in_files(tmp_path, FILES | {"cost.csv": text})
    assert taken.counts("cost")[:4] == (5, 1, 4, 0)
    assert taken.quarantine("line_no, reason, person_id") == [
        (3, NO_RECORD, None),
        (4, NO_RECORD, None),
        (5, NO_RECORD, None),
        (6, "cost_domain_id is missing", None),
    ]


def test_a_record_of_two_persons_tells_nothing(tmp_path: Path) -> None:
    visits = VISITS + "501,102,9201,2015-02-03,2015-02-10\n"
    files = FILES | {"visit_occurrence.csv": visits, "cost.csv": HEADER + "1,501,Visit,10\n"}
    taken = take_in_files(tmp_path, files)
    assert taken.rows("cost") == []
    assert taken.quarantine("reason") == [(NO_RECORD,)]


def test_the_record_may_have_come_before(tmp_path: Path) -> None:
    home = tmp_path / "home"
    take_in(site_of(write_files(tmp_path / "june", FILES)), home)
    said = "as_of = 2023-07-01\nkind = 'incremental'\n"
    later = {"cost.csv": HEADER + "1,501,Visit,10\n", "delivery.toml": said}
    taken = take_in(site_of(write_files(tmp_path / "july", later)), home)
    assert costs(taken) == [(1950, 10.0)]


def test_who_withdraws_takes_the_costs_along_and_later_ones_do_not_enter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    text = HEADER + "1,501,Visit,10\n2,11,Visit,20\n"
    config = site_of(write_files(tmp_path / "june", FILES | {"cost.csv": text}))
    taken = take_in(config, home)
    withdraw(config, ["101"], taken.paths, datetime(2023, 2, 1, tzinfo=UTC))
    assert costs(taken) == [(1961, 20.0)]
    more = {"delivery.toml": f"as_of = {date(2023, 7, 1)}\n"}
    text = HEADER + "1,501,Visit,10\n2,11,Visit,20\n3,501,Visit,30\n"
    later = write_files(tmp_path / "july", FILES | more | {"cost.csv": text})
    taken = take_in(site_of(later), home)
    assert costs(taken) == [(1961, 20.0), (1961, 20.0)]
    assert taken.quarantine("reason, person_id, line_hash") == [(NO_RECORD, None, None)] * 2
