"""Every check of a build, as the hospital's own run makes them; a new kind is a function here."""

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

import expectations
from benchmarks.quality.hospital import Build, characterisation
from orchestration.site.project import Project
from pumasi.quality import (
    Outcome,
    Status,
    apply_thresholds,
    concepts_of,
    conservation_outcomes,
    outcomes_of_tests,
    verification_outcomes,
)
from pumasi.quality.catalogue import declared_empty
from pumasi.quality.drift import Compared, drift_outcomes
from pumasi.quality.series import series_outcomes
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


def history(build: Build) -> list[Outcome]:
    """The series of months of this build, and what differs from the one before."""
    now = _compared(build.candidate, build)
    before = _compared(build.previous, build) if build.previous else None
    return [*series_outcomes(now.characterised), *drift_outcomes(now, before)]


def _compared(candidate: Path, build: Build) -> Compared:
    counts = characterisation(candidate, build.paths.vocabulary, build.as_of)
    return Compared(counts, candidate / "person.parquet")


def content(build: Build, tables: Collection[str] | None = None) -> list[Outcome]:
    """Great Expectations on the candidate, or on some of its tables: suites and the catalogue."""
    declared = declared_empty(build.config.format, build.config.not_recorded)
    return expectations.run(build.candidate, build.paths.vocabulary, declared, tables=tables)


def outcomes_of(build: Build, wanted: str = "") -> list[Outcome]:
    """Return the outcomes of a build: of all kinds, or of what may hold the check `wanted`.

    Who waits for one check does without the kinds after it, and without the content of tables that
    it is not of, which is half of the time of a case.

    They are judged by the thresholds of the hospital's file, as in a run. Raises ReleaseError or
    QualityError if a table that every build has is not there.
    """
    tables = [wanted.partition(".")[0]] if wanted else None
    found: list[Outcome] = []
    for kind in (conservation, partial(content, tables=tables), dbt, verification, history):
        made = kind(build)
        names = {outcome.name for outcome in made}
        accepted = [each for each in build.config.thresholds if each.check in names]
        found += apply_thresholds(made, accepted)
        if wanted in {outcome.name for outcome in failed(found)}:
            break
    return found


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that failed or could not be checked, of either severity."""
    return [each for each in outcomes if each.status in (Status.FAILED, Status.ERROR)]
