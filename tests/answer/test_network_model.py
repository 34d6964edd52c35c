"""A model that the hub hands over is kept if it is one, and of a task that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pumasi.answer.network_model import receive, received
from pumasi.auroc import Interval
from pumasi.config import SitePaths
from pumasi.errors import TaskError
from pumasi.learn.network_model import NetworkModel
from pumasi.learn.tasks import NETWORK_TASKS

PLAN = NETWORK_TASKS[0]


def model(run: str, task: str = PLAN.task.name) -> NetworkModel:
    return NetworkModel(
        task=task, method="ridge", terms=("age",), coefficients=(0.1,), standard_errors=(0.01,),
        intercept=-1.0, penalty=1.0, held_out={}, dropped=(), persons=100,
        auroc=Interval(0.7, 0.6, 0.8), auroc_error=0.001, calibration={}, hospitals=(),
        releases={}, heads={}, exchanges=12, fit_exchanges=8, minimum_outcome=10, run=run,
    )  # fmt: skip


def test_the_model_that_came_last_counts(tmp_path: Path) -> None:
    paths = SitePaths(tmp_path / "bada")
    assert received(paths, PLAN) is None
    for number, run in enumerate(("b", "a")):
        file = model(run).save(tmp_path / f"{number}")
        plan, kept = receive(paths, file)
        assert plan is PLAN
        assert kept == model(run)
    assert received(paths, PLAN) == model("a")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"auroc": {"estimate": 1}}'])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(TaskError, match=r"file\.json is no model of the network"):
        receive(SitePaths(tmp_path / "bada"), file)
    with pytest.raises(TaskError, match=r"other\.json is no model of the network"):
        receive(SitePaths(tmp_path / "bada"), tmp_path / "other.json")


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    file = model("a", "haemophilia").save(tmp_path)
    with pytest.raises(TaskError, match="of task haemophilia; known here: asthma_exacerbation, "):
        receive(SitePaths(tmp_path / "bada"), file)
    assert json.loads(file.read_text())["task"] == "haemophilia"
    assert not (tmp_path / "bada").exists()
