"""Every task names the concept sets that its table is made with, and no other."""

import pytest

from pumasi.extract.vocabulary_diff import concept_sets, sets_of_marts
from pumasi.learn.task import Task
from pumasi.learn.tasks import TASKS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_names_the_concept_sets_of_its_table(task: Task) -> None:
    made_with = sets_of_marts(set(concept_sets()))[task.table]
    assert sorted(task.concept_sets) == sorted(made_with)
    assert {f"concept_sets.{name}_is_verified" for name in made_with} <= set(task.checks)
    assert {need.check for need in task.needs} <= set(task.checks)
