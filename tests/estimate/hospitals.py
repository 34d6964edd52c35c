"""Public data as rows, split unevenly over hospitals that answer in this process."""

from collections.abc import Callable, Mapping

import numpy as np
import statsmodels.datasets

from pumasi.answer.holding import holdings
from pumasi.federation.cells import LIMITS, Limits
from pumasi.federation.network import InProcess, Run
from pumasi.federation.rows import Floats, Rows

POOLED = Limits(contributors=1)
Split = Callable[[Rows], "np.typing.NDArray[np.int64]"]


def rows_of(columns: Mapping[str, Floats], rows_a_person: int = 1) -> Rows:
    """Rows of one hospital; every `rows_a_person` rows behind each other are of one person."""
    n = len(next(iter(columns.values())))
    person = np.arange(n) // rows_a_person
    values = {name: np.asarray(each, dtype=np.float64) for name, each in columns.items()}
    return Rows(person, person * 37 % 100, np.zeros(n, dtype=np.int64), values)


def divided(rows: Rows, hospital: "np.typing.NDArray[np.int64]") -> Rows:
    """The same rows, of these hospitals."""
    return Rows(rows.person, rows.split_key, hospital, rows.columns)


def network(rows: Rows, *, masked: bool = True, limits: Limits = LIMITS) -> Run:
    """Four hospitals, 0 to 3, whether they have a row or not."""
    held = {f"h{each}": rows.where(rows.hospital == each) for each in range(4)}
    answering = {name: each.answer for name, each in holdings(held, limits).items()}
    return Run(InProcess(answering), "test", masked=masked, limits=limits)


def pooled(rows: Rows) -> Run:
    """One hospital that holds everything and knows the hospital column."""
    held = holdings({"pool": rows}, POOLED)
    return Run(InProcess({"pool": held["pool"].answer}), "test", masked=False, limits=POOLED)


def by_covariate(column: str) -> Split:
    """Hospitals hold a quarter of the values each: the lowest, and so on."""
    return lambda rows: np.digitize(
        rows.column(column), np.quantile(rows.column(column), (0.25, 0.5, 0.75))
    )


def by_outcome(column: str) -> Split:
    """Nine of ten rows with the outcome are at the last hospital, which has few others."""

    def split(rows: Rows) -> "np.typing.NDArray[np.int64]":
        rng = np.random.default_rng(5)
        n = len(rows)
        with_outcome = np.where(rng.random(n) < 0.9, 3, rng.integers(0, 3, n))
        without = np.where(rng.random(n) < 0.05, 3, rng.integers(0, 3, n))
        return np.where(rows.column(column) > 0, with_outcome, without)

    return split


def lopsided(rows: Rows) -> "np.typing.NDArray[np.int64]":
    """One hospital has three rows, one has none."""
    hospital = np.where(np.arange(len(rows)) % 10 < 7, 0, 1)
    hospital[[5, 50, 100]] = 2
    return hospital


def fair() -> Rows:
    """Fair (1978), 6,366 women: whether there was an affair."""
    data = statsmodels.datasets.fair.load_pandas().data
    columns = {name: data[name].to_numpy() for name in ("age", "yrs_married", "children", "educ")}
    religious = (data["religious"] >= 3).to_numpy()
    return rows_of({**columns, "is_religious": religious, "affair": data["affairs"] > 0})


def visits() -> Rows:
    """RAND Health Insurance Experiment, every fifth of 20,190 rows: visits to the doctor."""
    data = statsmodels.datasets.randhie.load_pandas().data.iloc[::5]
    names = ("mdvis", "lncoins", "idp", "lpi", "physlm", "disea", "hlthp")
    return rows_of({name: data[name].to_numpy() for name in names}, rows_a_person=2)
