"""What may be asked: a query is a registered type with typed parameters, never code and never SQL.

A type says what its answer consists of (`parts`) and computes it of a hospital's rows (`compute`).
The answer of all rows is the sum of the answers of the hospitals. Hospital and hub read the same
file about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from pumasi.errors import QueryError
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys, Rows


class Kind(StrEnum):
    """What can be learned from an answer; approvals are given by kind."""

    DESCRIPTIVE = "descriptive"
    LEARNING = "learning"
    EFFECT = "effect"  # an outcome by a treatment


class Counts(StrEnum):
    """Which persons a cell counts; the minimum of each is the hospital's and the approval's."""

    PERSONS = "persons"
    OUTCOME = "outcome"  # persons with an outcome, or without, which an approval may lower


@dataclass(frozen=True)
class Part:
    """A named array of an answer.

    Args:
        name: what it is.
        shape: its shape.
        scale: size that its entries are expected to have: sums are exact to 1e-9 of it, and what
            exceeds it some million times can't be sent.
        unit: what one person is expected to contribute; noise is in it.
        counts: if entries are cells, which must reach the minimum: what they count.
        screens: whether of cells only the verdict is shown, 1 where the sum reaches the minimum and
            0 where it does not. Such cells refuse nothing: they say which columns may be asked for.
        merged_by: name of a part of cells by which neighbours along the last axis, which are bins
            of the same bounds, are merged until every cell of a bin reaches the minimum; the last
            bin takes what is left. A merged bin is shown where its last one was, and nan before.
            Merging refuses nothing but cells that are too few altogether.
        none_passes: whether a cell may be shown that counts nobody: where nobody moved, nothing
            can be learned of anybody.
        spans: whether cells are of adjacent bins: at [..., i, j] of the bin that merges those from
            i to j. Bins are merged from the first until the merged one may be shown in all such
            parts of the query; what is left at the end belongs to the last. Shown is of shape
            (..., m): the cells of a merged bin where its last bin is, nan where the others are.
            An answer of one hospital can't have them.
    """

    name: str
    shape: tuple[int, ...]
    scale: float = 1.0
    unit: float = 1.0
    counts: Counts | None = None
    screens: bool = False
    merged_by: str | None = None
    none_passes: bool = False
    spans: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape, dtype=int))


class Query(BaseModel):
    """Base of all queries; a subclass is one type, with its parameters as fields.

    An answer is additive, unless the type says that it is not: then only `each` may ask for it.
    Of other types `each` may ask for what is made for it (`own`), and for cells, which are all
    judged: sums of columns over the rows of one hospital are told to nobody.
    `name` and `version` identify the type: a change of what is computed is another version. `keys`
    chooses the persons whose rows the answer is computed of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: ClassVar[str]
    version: ClassVar[int] = 1
    kind: ClassVar[Kind]
    additive: ClassVar[bool] = True
    own: ClassVar[bool] = False

    keys: Keys = ALL_PERSONS

    def parts(self) -> tuple[Part, ...]:
        """The arrays of the answer, in order; they depend on the parameters alone."""
        raise NotImplementedError

    def chosen(self, rows: Rows) -> Rows:
        """The rows that the answer is computed of: those of the persons whom `keys` chooses."""
        return self.keys.chosen(rows)

    @property
    def every_keys(self) -> tuple[Keys, ...]:
        """All by which the query chooses persons."""
        return tuple(value for _, value in self if isinstance(value, Keys))

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """The parts of the answer of these rows, which are those that `chosen` gave.

        Raises:
            QueryError: the rows lack a column, or hold what the query is not defined for.
        """
        raise NotImplementedError

    def shown(self, parts: Mapping[str, Floats]) -> Mapping[str, Floats]:
        """What of a sum may be shown, given the verdicts of its screens.

        Where a column fails its screen, no other part may tell of it.
        """
        return parts

    def contributions(self, rows: Rows) -> Floats:
        """What each person adds to the answer, all rows summed, shape (persons, entries).

        Raises:
            QueryError: the type can't be answered with noise.
        """
        raise QueryError(f"query {self.name} can't be answered with noise")

    def subsets(self, rows: Rows) -> list[Rows]:
        """Every set of rows that some part of the answer is computed of."""
        return [rows]

    def influence(self, rows: Rows) -> Floats | None:
        """How much each row weighs in sums that coefficients of the query steer, shape (n, fits).

        None if the query steers nothing. The airlock refuses what is aimed at few persons.
        """
        return None

    def to_dict(self) -> dict[str, Any]:
        """The query as JSON values."""
        parameters = self.model_dump(mode="json")
        return {"query": self.name, "version": self.version, "parameters": parameters}

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return sha256(canonical(self.to_dict())).hexdigest()


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and without spaces: the bytes that are hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


_TYPES: dict[tuple[str, int], type[Query]] = {}


def register(query: type[Query]) -> type[Query]:
    """Make a type of query known; what is not registered is answered by nobody."""
    key = (query.name, query.version)
    if key in _TYPES:
        raise ValueError(f"query {query.name} {query.version} is registered twice")
    _TYPES[key] = query
    return query


def query_types() -> tuple[type[Query], ...]:
    """Every type that may be asked, by name."""
    return tuple(_TYPES[key] for key in sorted(_TYPES))


def query_from_dict(value: Mapping[str, Any]) -> Query:
    """The query that `to_dict` gave.

    Raises:
        QueryError: no such type, or parameters that it does not have. No value is quoted.
    """
    name, version = value.get("query"), value.get("version")
    found = None
    if isinstance(name, str) and isinstance(version, int):
        found = _TYPES.get((name, version))
    if found is None:
        raise QueryError("this type of query is not registered here: install the hub's version")
    try:
        return found.model_validate_json(json.dumps(value.get("parameters")))
    except ValidationError as error:
        wrong = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        raise QueryError(f"query {found.name}: wrong parameters {', '.join(wrong)}") from None


def flatten(parts: Sequence[Part], values: Mapping[str, Floats]) -> Floats:
    """All parts behind each other, shape (entries,).

    Raises:
        QueryError: a part has another shape than the query says, or is not finite.
    """
    arrays = []
    for part in parts:
        array = np.asarray(values[part.name], dtype=np.float64)
        if array.shape != part.shape:
            raise QueryError(f"part {part.name} has shape {array.shape}, not {part.shape}")
        if not np.isfinite(array).all():
            raise QueryError(f"part {part.name} is not finite: the parameters are out of range")
        arrays.append(array.ravel())
    return np.concatenate(arrays)


def unflatten(parts: Sequence[Part], entries: Floats) -> dict[str, Floats]:
    """The parts of an answer, the reverse of `flatten`."""
    found, start = {}, 0
    for part in parts:
        found[part.name] = entries[start : start + part.size].reshape(part.shape)
        start += part.size
    return found
