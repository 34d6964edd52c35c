"""The rows that a hospital answers from: those of a task's table that a model may learn from."""

from __future__ import annotations

import duckdb
import numpy as np

from pumasi.errors import TaskError
from pumasi.federation.rows import Rows
from pumasi.learn.task import Task


def task_rows(task: Task, table: duckdb.DuckDBPyRelation) -> Rows:
    """Rows of the table that the task chooses, with every feature known and the outcome observed.

    Flags are 0 and 1.

    Raises:
        TaskError: a column is missing.
    """
    if missing := [name for name in task.columns if name not in table.columns]:
        raise TaskError(f"task {task.name}: table {task.table} has no column {', '.join(missing)}")
    values = (*task.features, task.outcome)
    conditions = [
        *task.chosen_when,
        *(f"not coalesce({flag}, false)" for flag in task.excluded_when),
        *(f"{name} is not null" for name in values),
    ]
    cast = ", ".join(f"cast({name} as double) as {name}" for name in values)
    found = (
        table.filter(" and ".join(conditions))
        .project(f"person_id, cast(split_key as bigint) as split_key, {cast}")
        .fetchnumpy()
    )
    person = np.asarray(found["person_id"], dtype=np.int64)
    return Rows(
        person=person,
        split_key=np.asarray(found["split_key"], dtype=np.int64),
        hospital=np.zeros(len(person), dtype=np.int64),
        columns={name: np.asarray(found[name], dtype=np.float64) for name in values},
    )
