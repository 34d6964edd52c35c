"""Of whom earlier answers were: two answers whose rows differ in few persons tell about those few.

A hospital keeps, for itself, which persons and rows each answer was computed of: numbers made of
their keyed hashes and of the values. An answer of rows that differ from an earlier one's in at
least one and fewer than the minimum of persons is refused, whichever query, study or release either
was of. A person differs who is in only one of the two, or whose rows of the same subject have other
values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from pumasi.federation.rows import Rows

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Persons:
    """The persons whom an answer was computed of.

    Args:
        subject: task or study; values of rows are compared within one.
        ids: hash of each person, sorted, shape (n,).
        contents: hash of all rows of each person, whatever their order, shape (n,).
    """

    subject: str
    ids: Hashes
    contents: Hashes

    @classmethod
    def of(cls, subject: str, rows: Rows) -> Persons:
        """The persons of these rows."""
        ids, number = np.unique(_mixed(rows.person.view(np.uint64)), return_inverse=True)
        contents = np.zeros(len(ids), dtype=np.uint64)
        np.add.at(contents, number, _row_hashes(rows))
        return cls(subject, ids, contents)

    @property
    def key(self) -> str:
        """What tells this set from others."""
        data = self.subject.encode() + self.ids.tobytes() + self.contents.tobytes()
        return sha256(data).hexdigest()

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return np.concatenate([self.ids, self.contents]).astype("<u8").tobytes()

    @classmethod
    def from_bytes(cls, subject: str, kept: bytes) -> Persons:
        """What `to_bytes` gave."""
        both = np.frombuffer(kept, dtype="<u8").astype(np.uint64)
        return cls(subject, both[: len(both) // 2], both[len(both) // 2 :])

    def differing(self, other: Persons) -> int:
        """How many persons differ."""
        common, here, there = np.intersect1d(
            self.ids, other.ids, assume_unique=True, return_indices=True
        )
        alone = len(self.ids) + len(other.ids) - 2 * len(common)
        if self.subject != other.subject:
            return alone
        return alone + int((self.contents[here] != other.contents[there]).sum())


def tells_of_few(new: Persons, earlier: Iterable[Persons], minimum: int) -> bool:
    """Whether the new answer, held against an earlier one, would tell of few persons."""
    return any(0 < new.differing(each) < minimum for each in earlier)


def _row_hashes(rows: Rows) -> Hashes:
    """A hash of the values of each row, shape (n,); columns by name, so in any order."""
    found = np.full(len(rows), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for name in sorted(rows.columns):
        seed = int.from_bytes(sha256(name.encode()).digest()[:8])
        values = rows.columns[name] + 0.0  # -0 is 0
        found = _mixed(found ^ _mixed(values.view(np.uint64) ^ np.uint64(seed)))
    return found


def _mixed(words: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
