"""Every check of a build, as the hospital's own run makes them; a new kind is one line of KINDS."""

from collections.abc import Callable, Iterable

import expectations
from benchmarks.quality.hospital import Build
from orchestration.site.project import Project
from pumasi.quality import (
    Outcome,
    Status,
    concepts_of,
    conservation_outcomes,
    outcomes_of_tests,
    verification_outcomes,
)
from pumasi.quality.catalogue import Cdm, concrete_checks, run_catalogue
from pumasi.warehouse import row_counts


def dbt(build: Build) -> list[Outcome]:
    """The data tests, as `dbt test` would end."""
    project = Project(build.project.manifest)
    return outcomes_of_tests(
        build.project.test(build.connection, build.paths),
        build.project.manifest,
        row_counts(build.connection, project.counted_as),
        expectations.MAY_BE_EMPTY | project.steps,
    )


def conservation(build: Build) -> list[Outcome]:
    """What was lost on the way."""
    return conservation_outcomes(build.candidate)


def verification(build: Build) -> list[Outcome]:
    """What the concept sets rest on."""
    return verification_outcomes(*concepts_of(build.connection), real=build.config.real)


def catalogue(build: Build) -> list[Outcome]:
    """The catalogue of DataQualityDashboard on the warehouse, on the day of its last delivery."""
    (today,) = build.connection.execute(
        "select max(as_of) from intermediate.int_deliveries"
    ).fetchall()[0]
    cdm = Cdm.find(build.connection, "omop", None, today)
    return [each.outcome for each in run_catalogue(cdm, concrete_checks())]


def content(build: Build) -> list[Outcome]:
    """Great Expectations on the candidate."""
    return expectations.run(build.candidate)


# The quick ones first: who waits for one check does without those after it.
KINDS: tuple[Callable[[Build], list[Outcome]], ...] = (
    conservation,
    dbt,
    verification,
    catalogue,
    content,
)


def outcomes_of(build: Build, until: str = "") -> list[Outcome]:
    """Return the outcomes of a build: of all kinds, or until the check `until` has failed.

    Raises ReleaseError or QualityError if a table that every build has is not there.
    """
    found: list[Outcome] = []
    for kind in KINDS:
        found += kind(build)
        if until in {outcome.name for outcome in failed(found)}:
            break
    return found


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that failed or could not be checked, of either severity."""
    return [each for each in outcomes if each.status in (Status.FAILED, Status.ERROR)]
