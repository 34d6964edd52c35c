"""What a hospital does with a model of the network: takes the hub's file in, and judges it here.

The file holds what left the hospitals, so it may be handed to all of them. What comes of judging it
is of the hospital's own rows and stays.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pumasi.answer.task_rows import task_rows
from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import TaskError
from pumasi.learn.at_hospital import Judged, judge_at
from pumasi.learn.network_model import NetworkModel, NetworkTask, load_network_model
from pumasi.learn.task import Model, load_model
from pumasi.learn.tasks import NETWORK_TASKS
from pumasi.release import open_release
from pumasi.report.at_hospital import at_hospital_page


def receive(paths: SitePaths, file: Path) -> tuple[NetworkTask, NetworkModel]:
    """Keep a model that the hub handed over, and return it with the task that it is for.

    Raises:
        TaskError: the file is no model of the network, or of a task that is not known here.
    """
    try:
        model = load_network_model(file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TaskError(f"{file} is no model of the network ({type(error).__name__})") from None
    known = {plan.task.name: plan for plan in NETWORK_TASKS}
    if model.task not in known:
        raise TaskError(f"{file} is of task {model.task}; known here: {', '.join(known)}")
    model.save(_received(paths, model.task))
    return known[model.task], model


def received(paths: SitePaths, plan: NetworkTask) -> NetworkModel | None:
    """The model of the task that was handed over last; None if there was none."""
    files = _received(paths, plan.task.name).glob("*.json")
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return load_network_model(newest) if newest else None


def judge_here(
    config: SiteConfig, paths: SitePaths, plan: NetworkTask, model: NetworkModel
) -> tuple[Judged, Path]:
    """Judge a model on the hospital's open release; what came out, and the page of it.

    Raises:
        GateClosedError, ReleaseError: no release is open for the task.
        TaskError, QueryError: it can't be judged on these rows; the message says why.
    """
    release = open_release(config.id, plan.task.purpose, datetime.now(UTC))
    with duckdb.connect() as connection:
        rows = task_rows(plan.task, release.read(plan.task.table, connection))
    own = _own(paths, plan, release.id)
    judged = judge_at(config.id, model, plan, rows, release.id, own)
    page = judged.save(paths.network_models / plan.task.name).with_suffix(".html")
    write_text(page, at_hospital_page(judged, config.name))
    return judged, page


def _received(paths: SitePaths, task: str) -> Path:
    return paths.network_models / task / "received"


def _own(paths: SitePaths, plan: NetworkTask, release: str) -> Model | None:
    file = paths.models / plan.task.name / f"{release}.json"
    return load_model(file) if file.exists() else None
