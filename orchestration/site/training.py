"""Local models: each is trained from the latest release, through the gate, or not at all.

What a task of its own lacks ends in "not trained", as too few cases do; the release is open for the
others. A release that is closed in general ends in a failure.

Three things stand between a failed check and a model: the blocking check on the release within a
run, the automation condition for schedules, and the release itself for whoever starts this by hand.
"""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import duckdb
import pyarrow as pa

from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import ClosedForPurposeError, NotMappedError, TooFewCasesError
from pumasi.learn.task import Model, Task, fit, require_mapped
from pumasi.learn.tasks import TASKS
from pumasi.quality import local_concepts
from pumasi.release import open_release

AUTOMATION = dg.AutomationCondition.eager() & (
    dg.AutomationCondition.all_deps_blocking_checks_passed()
)


def assets(config: SiteConfig, paths: SitePaths) -> list[dg.AssetsDefinition]:
    """One asset per task, keyed [site, models, task]."""
    return [_model(config, paths, task) for task in TASKS]


def _model(config: SiteConfig, paths: SitePaths, task: Task) -> dg.AssetsDefinition:
    @dg.asset(
        key=[config.id, "models", task.name],
        group_name="training",
        deps=[dg.AssetKey([config.id, "release"])],
        kinds={"scikitlearn"},
        automation_condition=AUTOMATION,
        description=f"Logistic model `{task.name}`, from an open release only.",
    )
    def model() -> dg.MaterializeResult:
        try:
            release = open_release(config.id, task.purpose, datetime.now(UTC))
        except ClosedForPurposeError as error:
            # Open for others: no failure of the build, and nothing was read.
            return dg.MaterializeResult(
                metadata={"state": f"not trained: {error}", "dagster/row_count": 0}
            )
        with duckdb.connect() as connection:
            rows = _rows(task, release.read(task.table, connection))
        try:
            require_mapped(task, release.outcomes)
            granted = tuple(use.granted() for use in release.waived)
            fitted = replace(fit(task, rows, release.id), waivers=granted)
        except (NotMappedError, TooFewCasesError) as error:
            said: dict[str, str | int | float] = {"state": str(error), "release": release.id}
        else:
            path = fitted.save(paths.models / task.name)
            said = _card(fitted) | {"file": path.name}
        if local := local_concepts(release.outcomes, task.checks):
            said["local concepts"] = "; ".join(local)
        if release.waived:
            said["waivers"] = "; ".join(map(str, release.waived))
        return dg.MaterializeResult(metadata=said | {"dagster/row_count": len(rows)})

    return model


def _rows(task: Task, table: duckdb.DuckDBPyRelation) -> pa.Table:
    """The rows and columns that the task learns from; a column that is missing is its to name."""
    flags = [flag for flag in task.chosen_when if flag in table.columns]
    chosen = table.filter(" and ".join(flags)) if flags else table
    wanted = dict.fromkeys(name for name in task.columns if name in table.columns)
    return chosen.project(", ".join(wanted)).to_arrow_table()


def _card(model: Model) -> dict[str, str | int | float]:
    area = model.auroc
    return {
        "state": "trained",
        "release": model.release,
        "AUROC": area.estimate,
        "AUROC 95 % interval": f"{area.lower:.3f} to {area.upper:.3f}",
        "calibration slope": model.calibration_slope,
        "calibration intercept": model.calibration_intercept,
        "training persons": model.n_train,
        "training events": model.events_train,
        "test persons": model.n_test,
        "test events": model.events_test,
        "excluded": model.n_excluded,
        "incomplete": model.n_incomplete,
        "outcome not observed": model.n_outcome_not_observed,
    }
