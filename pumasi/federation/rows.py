"""The rows that a query is computed on, and the matrix that its terms make of them.

A row belongs to one person and one hospital. At a hospital all rows have the same hospital; rows
that were pooled know which one each came from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pumasi.errors import QueryError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# Split keys run from 0 to one less.
KEYS = 100


@dataclass(frozen=True)
class Rows:
    """Complete rows of persons: n of them.

    Args:
        person: number of the row's person, shape (n,).
        split_key: 0 to 99, the same in all rows of a person, shape (n,).
        hospital: number of the row's hospital, shape (n,).
        columns: values by name, each of shape (n,) and finite.

    Raises:
        QueryError: a column has another length, or a value is missing or infinite.
    """

    person: NDArray[np.int64]
    split_key: NDArray[np.int64]
    hospital: NDArray[np.int64]
    columns: Mapping[str, Floats]

    def __post_init__(self) -> None:
        every = {"split_key": self.split_key, "hospital": self.hospital, **self.columns}
        for name, values in every.items():
            if values.shape != self.person.shape:
                raise QueryError(f"column {name} has another length than the persons")
            if not np.isfinite(values).all():
                raise QueryError(
                    f"column {name} has a missing or infinite value: leave the row out"
                )

    def __len__(self) -> int:
        return len(self.person)

    @classmethod
    def together(cls, of_hospitals: Sequence[Rows]) -> Rows:
        """The rows of several hospitals, numbered from 0; nobody is in two of them.

        Raises:
            QueryError: they have other columns.
        """
        names = [tuple(sorted(rows.columns)) for rows in of_hospitals]
        if len(set(names)) != 1:
            raise QueryError("rows of several hospitals need the same columns")
        known = [
            np.column_stack([np.full(len(r), n), r.person]) for n, r in enumerate(of_hospitals)
        ]
        _, person = np.unique(np.concatenate(known), axis=0, return_inverse=True)
        return cls(
            person=np.asarray(person, dtype=np.int64).ravel(),
            split_key=np.concatenate([rows.split_key for rows in of_hospitals]),
            hospital=np.concatenate(
                [np.full(len(rows), number) for number, rows in enumerate(of_hospitals)]
            ),
            columns={
                name: np.concatenate([rows.columns[name] for rows in of_hospitals])
                for name in names[0]
            },
        )

    def column(self, name: str) -> Floats:
        """Values of a column, shape (n,).

        Raises:
            QueryError: there is no such column.
        """
        if name not in self.columns:
            raise QueryError(f"there is no column {name}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def where(self, chosen: Bools) -> Rows:
        """The rows of which `chosen`, shape (n,), is true."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Rows(self.person[chosen], self.split_key[chosen], self.hospital[chosen], columns)

    def by_hospital(self) -> list[Rows]:
        """The rows of each hospital that has any."""
        return [self.where(self.hospital == each) for each in np.unique(self.hospital)]

    def persons(self, chosen: Bools | None = None) -> int:
        """How many persons have a row (that is chosen)."""
        return len(np.unique(self.person if chosen is None else self.person[chosen]))

    def by_person(self, values: NDArray[np.float64]) -> Floats:
        """Sums of `values`, shape (n,) or (n, k), over the rows of each person."""
        _, number = np.unique(self.person, return_inverse=True)
        summed = np.zeros((number.max(initial=-1) + 1, *values.shape[1:]))
        np.add.at(summed, number, values)
        return summed


class Keys(BaseModel):
    """Persons by their split key: `first` <= key <= `last`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    first: int = 0
    last: int = 99

    def chosen(self, rows: Rows) -> Rows:
        """The rows of these persons."""
        return rows.where((rows.split_key >= self.first) & (rows.split_key <= self.last))


ALL_PERSONS = Keys()


class Design(BaseModel):
    """Terms of a linear predictor, and how each is standardised.

    A term is a column, a product of columns (`age:is_female`), or `1`, the intercept. The matrix
    holds (term - center) / spread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    terms: tuple[str, ...]
    center: tuple[float, ...] | None = None
    spread: tuple[float, ...] | None = None

    def matrix(self, rows: Rows) -> Floats:
        """The matrix of the terms, shape (n, p).

        Raises:
            QueryError: a column of a term is not there, or the standardisation has another length.
        """
        raw = np.empty((len(rows), len(self.terms)))
        for j, term in enumerate(self.terms):
            raw[:, j] = product(rows, term)
        for standard in (self.center, self.spread):
            if standard is not None and len(standard) != len(self.terms):
                raise QueryError("center and spread need one number a term")
        if self.center is not None:
            raw -= np.asarray(self.center)
        if self.spread is not None:
            raw /= np.asarray(self.spread)
        return raw


INTERCEPT = "1"


def product(rows: Rows, term: str) -> Floats:
    """Values of a term before it is standardised, shape (n,)."""
    values = np.ones(len(rows))
    for name in term.split(":"):
        if name != INTERCEPT:
            values = values * rows.column(name)
    return values


def rests_on(term: str, others: Collection[str]) -> bool:
    """Whether a term is one of the others, or a product with one."""
    factors = set(term.split(":"))
    return any(set(other.split(":")) <= factors for other in others)
