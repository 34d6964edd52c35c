"""A build is compared with the last release, and its page lies beside it: real builds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb

from orchestration.site.comparison import compare, compared_categories
from pumasi.quality import Outcome, Status
from pumasi.quality.characterisation import write_characterisation
from pumasi.release import Provenance, latest_release, read_candidate, seal
from tests.orchestration.conftest import Ward

THERE = "person.persons_are_still_there"


def test_a_build_seals_what_its_tables_hold_and_writes_the_page(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    names = {outcome.name: outcome for outcome in release.outcomes}
    assert names[THERE].status is Status.NOT_APPLICABLE
    assert "measurement.no_test_fell_silent" in names
    file = release.characterisation()
    assert file is not None
    (persons,) = duckdb.execute(
        "select sum(persons) from read_parquet($1) "
        "where analysis = 'persons_by_birth_year_and_sex'",
        [str(file)],
    ).fetchall()
    assert persons == (61,)
    page = (release.folder / "scorecards" / "000001.html").read_text()
    assert f"Tiny hospital: release {release.id}" in page
    with duckdb.connect() as connection:
        people = release.read("person", connection).project("person_id").fetchall()
    assert not [person for (person,) in people if str(person) in page]


def test_the_next_candidate_is_compared_with_it(built: Ward) -> None:
    outcomes = without_half_of_the_persons(built)
    assert outcomes[THERE].status is Status.FAILED
    assert outcomes[THERE].denominator == 61


def test_every_outcome_stands_on_an_asset_check(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    found = {(o.table, o.category) for o in release.outcomes if o.source in ("series", "drift")}
    tables = set(release.tables)
    assert {pair for pair in compared_categories() if pair[0] in tables} == found


def test_counts_of_another_form_are_not_compared(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    other = duckdb.sql("select 'x' as analysis, 1 as records").to_arrow_table()
    write_characterisation(other, built.paths.candidate / "characterisation.parquet")
    marker = built.paths.candidate / "candidate.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "id": "another build"}))
    candidate = read_candidate(built.paths)
    sealed = seal(
        built.paths,
        release.outcomes,
        Provenance(candidate.run_id),
        sealed_at=datetime.now(UTC),
        transformation=release.manifest.transformation,
    )
    assert sealed.seal.number == 2
    assert sealed.characterisation() is not None
    found = {o.name: o for o in compare(built.paths, candidate, datetime.now(UTC).date())}
    assert found[THERE].status is Status.NOT_APPLICABLE


def without_half_of_the_persons(built: Ward) -> dict[str, Outcome]:
    """Outcomes of the same candidate once more, without half of its persons."""
    candidate = read_candidate(built.paths)
    file = built.paths.candidate / "person.parquet"
    half = duckdb.sql(
        "select * from read_parquet($1) where person_id % 2 = 0", params=[str(file)]
    ).to_arrow_table()
    file.unlink()
    write_characterisation(half, file)
    return {o.name: o for o in compare(built.paths, candidate, datetime.now(UTC).date())}
