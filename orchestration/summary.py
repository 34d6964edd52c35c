"""What a build ended in, for the person who started it: numbers, the gate, and where to look."""

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pumasi.config import SiteConfig, SitePaths
from pumasi.learn.task import load_model
from pumasi.learn.tasks import TASKS
from pumasi.quality import Status
from pumasi.release import Release, ask_gate, latest_release
from pumasi.report.standing import reasons_unopened

# Gastrointestinal hemorrhage, SNOMED 74474003.
GI_BLEED = 192671
SHOWN = (
    "person", "observation_period", "visit_occurrence", "condition_occurrence", "drug_exposure",
    "procedure_occurrence", "measurement", "observation", "death",
)  # fmt: skip


def print_summary(config: SiteConfig, console: Console) -> None:
    """Print the latest release of the site, what was counted in it, its gate and its models."""
    paths = SitePaths.of(config.id)
    release = latest_release(paths)
    if release is None:
        console.print(f"{config.id}: nothing was sealed")
        return
    if release.tables:
        console.print(_tables(config, release))
        _print_answers(release, console)
    _print_gate(config, release, console)
    for task in TASKS:
        _print_model(task.name, paths.models / task.name / f"{release.id}.json", console)
    said = f"everything was written to {paths.root}; `make dev` shows the runs"
    console.print(said, markup=False)


def _print_model(task: str, path: Path, console: Console) -> None:
    if not path.exists():
        console.print(f"model {task}: not trained from this release; the asset's metadata says why")
        return
    model = load_model(path)
    console.print(
        f"model {task}: AUROC {model.auroc.estimate:.3f} ({model.auroc.lower:.3f} to "
        f"{model.auroc.upper:.3f}), calibration slope {model.calibration_slope:.2f} and intercept "
        f"{model.calibration_intercept:.2f}, on {model.n_test} held-out persons with "
        f"{model.events_test} events"
    )


def _tables(config: SiteConfig, release: Release) -> Table:
    # A name and a reason are printed as they are: what stands in brackets is no style.
    title = Text(f"{config.name}, release {release.id}", style="table.title")
    table = Table("OMOP table", "rows", title=title)
    for name in SHOWN:
        table.add_row(name, f"{release.manifest.tables[name].rows:,}")
    return table


def _print_answers(release: Release, console: Console) -> None:
    """Print a few numbers of persons; those of the example data are known from elsewhere."""
    cohort = f"read_parquet('{release.table('asthma__cohort')}')"
    users = f"read_parquet('{release.table('gi_bleed__new_users')}')"
    with duckdb.connect() as connection:
        asthma, korean, base = connection.execute(
            f"select count(*), count(korean_claims_date), count(base_cohort_date) from {cohort}"
        ).fetchall()[0]
        drugs = connection.execute(
            f"select drug, count(*) from {users} group by drug order by drug"
        ).fetchall()
        bled_before, both = connection.execute(
            f"select count(*) filter (where has_prior_gi_bleed), "
            f"count(*) filter (where both_drugs_on_index) from {users}"
        ).fetchall()[0]
        bleeds = connection.execute(
            "select count(distinct person_id) from read_parquet($1) "
            "where condition_concept_id = $2",
            [str(release.table("condition_occurrence")), GI_BLEED],
        ).fetchall()[0][0]
    console.print(f"any asthma: {asthma} persons; by two diagnoses: {max(korean, base)}")
    console.print(f"persons with a gastrointestinal bleed: {bleeds}")
    if drugs:
        console.print("new users: " + ", ".join(f"{drug} {count:,}" for drug, count in drugs))
        console.print(
            f"of them with an earlier bleed: {bled_before:,}; on both drugs at once: {both:,}"
        )
    losses = release.seal.accounting["reference_losses"]
    for loss in losses:
        if loss["rows_lost"]:
            console.print(
                f"{loss['table_name']}: {loss['rows_lost']:,} of {loss['rows_referring']:,} rows "
                f"name a {loss['reference']} that was not delivered"
            )


def _print_gate(config: SiteConfig, release: Release, console: Console) -> None:
    count = {status: sum(o.status is status for o in release.outcomes) for status in Status}
    said = json.dumps({status.value: n for status, n in count.items()})
    verdict = ask_gate(config.id, release, None, datetime.now(UTC))
    reasons = [*reasons_unopened(SitePaths.of(config.id), release), *verdict.reasons]
    console.print(f"checks: {said}; gate: {'CLOSED' if reasons else 'open'}")
    for reason in reasons:
        console.print(f"  - {reason}", markup=False)
    for use in verdict.waived:
        console.print(f"  - waived: {use}", markup=False)
    for task in () if reasons else TASKS:
        for reason in ask_gate(config.id, release, task.purpose, datetime.now(UTC)).reasons:
            console.print(f"  - gate closed for {task.name}: {reason}", markup=False)
