"""Public data of follow-up as rows."""

import numpy as np
import pandas as pd
from lifelines.datasets import load_gbsg2, load_rossi, load_stanford_heart_transplants

from pumasi.federation.rows import Rows
from tests.estimate.hospitals import rows_of


def table(rows: Rows) -> pd.DataFrame:
    """The rows as a table, with `hospital` and `person`."""
    columns = {name: np.asarray(values) for name, values in rows.columns.items()}
    return pd.DataFrame({**columns, "hospital": rows.hospital, "person": rows.person})


def with_columns(rows: Rows, **columns: np.ndarray) -> Rows:
    """The rows with more columns, or others."""
    values = {name: np.asarray(each, dtype=np.float64) for name, each in columns.items()}
    return Rows(rows.person, rows.split_key, rows.hospital, {**rows.columns, **values})


def rossi() -> Rows:
    """Rossi et al. (1980), 432 men after prison: weeks until arrest, many ties, 52 at most."""
    return rows_of({name: values.to_numpy() for name, values in load_rossi().items()})


def gbsg2() -> Rows:
    """German Breast Cancer Study Group 2, 686 women: days until recurrence, few ties."""
    data = load_gbsg2()
    columns = {name: data[name] for name in ("age", "tsize", "pnodes", "progrec", "time", "cens")}
    columns["hormones"] = data["horTh"] == "yes"
    columns["postmenopausal"] = data["menostat"] == "Post"
    columns["grade_three"] = data["tgrade"] == "III"
    return rows_of({name: values.to_numpy() for name, values in columns.items()})


def heart() -> Rows:
    """Crowley and Hu (1977), 103 persons in 172 rows: survival before and after a transplant."""
    data = load_stanford_heart_transplants()
    person = data["id"].to_numpy(dtype=np.int64)
    columns = {name: values.to_numpy(dtype=float) for name, values in data.items() if name != "id"}
    return Rows(person, person * 37 % 100, np.zeros(len(data), dtype=np.int64), columns)


def entering_late(rows: Rows, stop: str) -> Rows:
    """The rows with a column `entry`: a third enter before half of their time is over."""
    rng = np.random.default_rng(3)
    share = np.where(rng.random(len(rows)) < 1 / 3, rng.random(len(rows)) / 2, 0)
    return with_columns(rows, entry=np.floor(share * rows.column(stop)))


def rounded(rows: Rows, edges: tuple[float, ...], start: str | None, stop: str) -> pd.DataFrame:
    """The rows as a table with times rounded up to edges, as numbers of them: from, to, has.

    Written row by row, as somebody would who reads what `Grid` says.
    """
    data = table(rows)
    event = data["event"]
    begin = np.zeros(len(data)) if start is None else data[start]
    data["from"] = [min(j for j, edge in enumerate(edges) if edge >= each) for each in begin]
    beyond = len(edges)
    data["to"] = [
        next((j for j, edge in enumerate(edges) if edge >= each), beyond) for each in data[stop]
    ]
    data["has"] = np.where(data["to"] < beyond, event, 0)
    data["to"] = np.minimum(data["to"], beyond - 1)
    for number in data.index[(data["from"] >= data["to"]) & (data["has"] > 0)]:
        one = data.loc[number]
        of_person = (data["person"] == one["person"]) & (data["from"] < data["to"])
        before = data.index[of_person & (data["to"] == one["to"])]
        data.loc[before, "has"] = one["has"]
    return data[data["from"] < data["to"]].reset_index(drop=True)
