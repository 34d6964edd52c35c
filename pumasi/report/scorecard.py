"""The scorecard: one page that says whether a release is good enough, for what, and why not.

It is written from what was sealed and never asks the warehouse; so it can be written anew for any
release. It is for the hospital only, and leaves out small cells all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from pumasi.config import SiteConfig, SitePaths
from pumasi.config.waivers import Waivers
from pumasi.learn.tasks import TASKS
from pumasi.quality import Category, Outcome, Severity, Status, reasons_closed
from pumasi.quality.catalogue import Cdm, CheckResult, concrete_checks, own_checks
from pumasi.quality.characterisation import SMALLEST_CELL, read_characterisation
from pumasi.quality.trend import Trend
from pumasi.release import Release
from pumasi.release.history import history
from pumasi.report.figures import Characterised, figures
from pumasi.report.remedies import remedy
from pumasi.report.standing import reasons_unopened
from pumasi.report.template import render

MOST_FAILURES = 200
# Ours compare a build with what it should be by itself; DQD names the context of each of its types.
_VERIFICATION = "verification"
_STATUSES = (Status.PASSED, Status.FAILED, Status.NOT_APPLICABLE, Status.ERROR)

_DELIVERY = ("as_of", "extracted_through", "kind", "format", "delivery_id")

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Accepted:
    """What a hospital accepts of a check: a threshold since a day, or a waiver through one."""

    check: str
    what: str
    reason: str
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class TaskVerdict:
    """Why the gate is closed for a task; empty means open."""

    name: str
    reasons: Sequence[str]


@dataclass(frozen=True)
class Row:
    """A row of counts by status: passed, failed, not applicable, error."""

    names: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Failed:
    """A failed outcome with what to do about it."""

    outcome: Outcome
    remedy: str


@dataclass(frozen=True)
class Card:
    """All that the page says. `trends` is None where there are no builds to compare."""

    title: str
    subtitle: str
    verdict: str
    verdict_note: str
    is_open: bool
    reasons: Sequence[str]
    tasks: Sequence[TaskVerdict]
    matrix: Sequence[Row]
    by_table: Sequence[Row]
    failed: Sequence[Failed]
    accepted: Sequence[Accepted]
    trends: Sequence[Trend] | None
    trends_note: str
    figures: Characterised | None
    no_figures: str
    provenance: Sequence[Table]
    statuses: Sequence[str] = ("passed", "failed", "n/a", "error")
    most: int = MOST_FAILURES
    smallest: int = SMALLEST_CELL


def release_scorecard(
    config: SiteConfig, paths: SitePaths, release: Release, waivers: Waivers, at: datetime
) -> str:
    """Return the page of a release, as the gate is with the hospital's waivers at that time.

    One that nobody can open, such as an older one, is closed.

    Raises:
        ReleaseError: its characterisation is not what was sealed.
        ConfigError: a waiver names no check of the release.
    """
    past = history(paths, release.seal.number)
    file = release.characterisation()
    day = waivers.day(at)
    unopened = reasons_unopened(paths, release)
    reasons = [*unopened, *release.ask(None, waivers.waivers, day).reasons]
    verdicts = {task.name: release.ask(task.purpose, waivers.waivers, day) for task in TASKS}
    card = Card(
        title=f"{config.name}: release {release.id}",
        subtitle=f"Seal {release.seal.number}, {release.seal.sealed_at:%Y-%m-%d %H:%M %Z}; "
        f"{len(release.tables)} tables, {len(release.outcomes):,} checks",
        verdict=f"The release is {'closed' if reasons else 'open'} on {day}",
        verdict_note="Every check of severity error passed; what is learned from it may need more.",
        is_open=not reasons,
        reasons=reasons,
        tasks=[
            TaskVerdict(name, [*unopened, *verdict.reasons]) for name, verdict in verdicts.items()
        ],
        matrix=_matrix(release.outcomes),
        by_table=_by_table(release.outcomes),
        failed=_failed(release.outcomes),
        accepted=_accepted(config, waivers, day),
        trends=past.trends,
        trends_note=f"Nothing moved. Builds with outcomes: "
        f"{sum(1 for seal in past.seals if seal.outcomes)}; a trend needs four.",
        figures=None if file is None else figures(read_characterisation(file)),
        no_figures="The tables of this build were not characterised: it broke, it was sealed by an "
        "earlier version, or its tables were purged.",
        provenance=_provenance(release),
    )
    return render("scorecard.html", card=card)


def _accepted(config: SiteConfig, waivers: Waivers, day: date) -> list[Accepted]:
    """Thresholds of the hospital, and its waivers that are not over on that day."""
    thresholds = (
        Accepted(each.check, f"{each.limit:.2%} of the rows", each.reason, since=each.decided)
        for each in config.thresholds
    )
    granted = (
        Accepted(
            each.check,
            f"{each.limit:.2%} of the rows, by {each.responsible}",
            each.reason,
            until=each.until,
        )
        for each in waivers.waivers
        if day <= each.until
    )
    return [*thresholds, *granted]


def catalogue_scorecard(
    cdm: Cdm, name: str, results: Sequence[CheckResult], characterised: pa.Table
) -> str:
    """Return the page of a database that Pumasi did not build: it has no release and no gate."""
    outcomes = [result.outcome for result in results]
    reasons = reasons_closed(outcomes)
    card = Card(
        title=f"{name}: OMOP CDM",
        subtitle=f"{cdm.today:%Y-%m-%d}; {len(cdm.tables)} tables, {len(outcomes):,} checks of "
        "OHDSI's DataQualityDashboard",
        verdict=f"A gate would be {'closed' if reasons else 'open'}",
        verdict_note="No check of severity error failed.",
        is_open=not reasons,
        reasons=reasons,
        tasks=(),
        matrix=_matrix(outcomes),
        by_table=_by_table(outcomes),
        failed=_failed(outcomes),
        accepted=(),
        trends=None,
        trends_note="",
        figures=figures(characterised),
        no_figures="",
        provenance=[],
    )
    return render("scorecard.html", card=card)


def scorecard_file(release: Release) -> Path:
    """Where a build puts the page of its release: beside the seals, one for each."""
    return release.folder / "scorecards" / f"{release.seal.number:06d}.html"


def _matrix(outcomes: Sequence[Outcome]) -> list[Row]:
    """Kahn's matrix: categories in their order, contexts within."""
    cells = Counter((o.category, _context(o), o.status) for o in outcomes)
    pairs = {cell[:2] for cell in cells}
    order: Sequence[str] = get_args(Category)
    return [
        Row(pair, tuple(cells[*pair, status] for status in _STATUSES))
        for pair in sorted(pairs, key=lambda each: (order.index(each[0]), each[1]))
    ]


def _by_table(outcomes: Sequence[Outcome]) -> list[Row]:
    cells = Counter((o.table, o.status) for o in outcomes)
    return [
        Row((table,), tuple(cells[table, status] for status in _STATUSES))
        for table in sorted({o.table for o in outcomes})
    ]


def _context(outcome: Outcome) -> str:
    if outcome.source != "catalogue":
        return _VERIFICATION
    return _contexts().get(outcome.name, _VERIFICATION)


@cache
def _contexts() -> Mapping[str, str]:
    return {check.name: check.type.context for check in (*concrete_checks(), *own_checks())}


def _failed(outcomes: Sequence[Outcome]) -> list[Failed]:
    """What closes the gate first, then by the share that violates."""
    bad = [o for o in outcomes if o.status in (Status.FAILED, Status.ERROR)]

    def key(outcome: Outcome) -> tuple[Any, ...]:
        warns = outcome.severity is Severity.WARN and outcome.status is Status.FAILED
        share = (outcome.violations or 0) / (outcome.denominator or 1)
        return warns, -share, outcome.name

    return [Failed(outcome, remedy(outcome)) for outcome in sorted(bad, key=key)]


def _provenance(release: Release) -> list[Table]:
    """What the seal says of the deliveries, the run and the tables."""
    seal = release.seal
    said = [
        ("run", seal.provenance.run_id),
        ("sealed at", seal.sealed_at.isoformat()),
        *seal.provenance.versions.items(),
        ("transformation", release.manifest.transformation[:16]),
        ("vocabulary", release.manifest.vocabulary[:16]),
    ]
    tables: list[Table] = [("The build", ("what", "which"), said)]
    if deliveries := seal.accounting.get("deliveries", []):
        rows = [[str(each.get(name, "")) for name in _DELIVERY] for each in deliveries]
        head = [name.replace("_", " ") for name in _DELIVERY]
        tables.insert(0, ("Deliveries, oldest first", head, rows))
    counts = [(name, _rows(name, release)) for name in release.tables]
    return [*tables, ("Tables", ("table", "rows"), counts)] if counts else tables


def _rows(table: str, release: Release) -> str:
    """Rows of a table; few rows are few persons, but where a row is about none."""
    rows = release.manifest.tables[table].rows
    small = 0 < rows < SMALLEST_CELL and table != "cdm_source"
    return f"fewer than {SMALLEST_CELL}" if small else f"{rows:,}"
