"""What a build holds, and whether that is as in the last release: the counts and their checks.

The characterisation is written beside the candidate, and sealing takes it over.
"""

from datetime import date

from pumasi.config import SitePaths
from pumasi.errors import QualityError
from pumasi.quality import Category, Outcome
from pumasi.quality.characterisation import (
    EVENT_TABLES,
    FILE,
    cdm_of_files,
    characterise,
    read_characterisation,
    write_characterisation,
)
from pumasi.quality.drift import Compared, drift_outcomes
from pumasi.quality.series import series_outcomes
from pumasi.release import Candidate, last_characterised
from pumasi.warehouse import memory_limit


def compare(paths: SitePaths, candidate: Candidate, today: date) -> list[Outcome]:
    """Characterise the candidate, and return the outcomes of its series and of drift.

    Raises:
        QualityError: its tables can't be characterised.
        ReleaseError: the last release is not what was sealed.
    """
    with cdm_of_files(candidate.folder, paths.vocabulary, today, memory_limit()) as cdm:
        found = characterise(cdm)
    write_characterisation(found, candidate.folder / FILE)
    now = Compared(found, candidate.folder / "person.parquet")
    return [*series_outcomes(found), *drift_outcomes(now, _before(paths))]


def compared_categories() -> set[tuple[str, Category]]:
    """Every table and category of which there are checks here, if the table is there.

    Deaths have no series: their completeness is asked by Great Expectations.
    """
    of_events: set[tuple[str, Category]] = {(each.name, "plausibility") for each in EVENT_TABLES}
    of_series: set[tuple[str, Category]] = {
        (each.name, "completeness") for each in EVENT_TABLES if each.name != "death"
    }
    of_person: set[tuple[str, Category]] = {("person", "plausibility"), ("person", "completeness")}
    return of_person | of_events | of_series


def _before(paths: SitePaths) -> Compared | None:
    """The last release; None without one, or if another version counted otherwise."""
    release = last_characterised(paths)
    file = None if release is None else release.characterisation()
    if release is None or file is None:
        return None
    try:
        return Compared(read_characterisation(file), release.table("person"))
    except QualityError:
        return None
