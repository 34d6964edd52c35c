"""An outcome: the result of one concrete check on one build.

A check is named "<table>.<sentence>", the sentence being true when the check passes. There are two
severities only: ERROR closes the gate, WARN is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

# The three of Kahn et al., eGEMs 2016;4(1):18.
Category = Literal["conformance", "completeness", "plausibility"]
Source = Literal[
    "dbt",
    "great_expectations",
    "conservation",
    "verification",
    "catalogue",
    "series",
    "drift",
]


class Severity(StrEnum):
    """What a failure does: ERROR closes the gate, WARN is reported."""

    ERROR = "error"
    WARN = "warn"


class Status(StrEnum):
    """How a check ended: NOT_APPLICABLE had nothing to check, as declared; ERROR did not run."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


@dataclass(frozen=True)
class Check:
    """What is known of a check before it runs.

    `threshold` is the share of the denominator (0..1) that may violate.
    """

    name: str
    table: str
    category: Category
    severity: Severity
    source: Source
    threshold: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The result of a check: counts of rows, never a row.

    `violations` is None when the check could not run; `denominator` is None when the number of
    rows that it looked at is not known (a dbt test that belongs to no single table).
    """

    name: str
    table: str
    category: Category
    violations: int | None
    denominator: int | None
    threshold: float
    severity: Severity
    status: Status
    message: str
    source: Source

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """Return the outcome that `to_dict` wrote."""
        return cls(
            **{
                **values,
                "severity": Severity(values["severity"]),
                "status": Status(values["status"]),
            }
        )
