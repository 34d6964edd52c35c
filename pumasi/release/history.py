"""The outcomes of all builds of a hospital, from its seals: one table, and what moves in it.

A seal that is damaged, or not signed with the hospital's key, is named and left out: it says
nothing that can be relied on. Purged releases keep their outcomes, and so does their history.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
from pyarrow import parquet

from pumasi.config.paths import SitePaths
from pumasi.errors import ReleaseError
from pumasi.quality.outcome import Outcome
from pumasi.quality.trend import Trend, trends
from pumasi.release.records import Seal
from pumasi.release.release import load_release
from pumasi.release.seal import seal_files

_COLUMNS = pa.schema(
    [
        ("seal", pa.int64()),
        ("release", pa.string()),
        ("sealed_at", pa.timestamp("us", tz="UTC")),
        *((name, pa.string()) for name in ("check", "table", "category", "source", "severity")),
        ("status", pa.string()),
        ("violations", pa.int64()),
        ("denominator", pa.int64()),
        ("share", pa.float64()),
        ("threshold", pa.float64()),
    ]
)


@dataclass(frozen=True)
class History:
    """The seals of a site, oldest first, and the numbers of those that are damaged."""

    seals: tuple[Seal, ...]
    damaged: tuple[int, ...]

    @property
    def trends(self) -> list[Trend]:
        """What moved in the last build; broken builds have no outcomes and no part in it."""
        builds = [seal for seal in self.seals if seal.outcomes]
        return trends([{outcome.name: outcome for outcome in each.outcomes} for each in builds])

    def table(self) -> pa.Table:
        """One row per seal and check; `share` is violations by denominator, null without one."""
        rows = [_row(seal, outcome) for seal in self.seals for outcome in seal.outcomes]
        return pa.Table.from_pylist(rows, _COLUMNS)


def history(paths: SitePaths, through: int | None = None) -> History:
    """Return the history of the site, up to the seal with the number `through`."""
    seals: list[Seal] = []
    damaged: list[int] = []
    for number, file in seal_files(paths).items():
        if through is not None and number > through:
            continue
        try:
            seals.append(load_release(paths, file).seal)
        except ReleaseError:
            damaged.append(number)
    return History(tuple(seals), tuple(damaged))


def write_history(found: pa.Table, path: Path) -> None:
    """Write the table as parquet or CSV, as the file's name ends.

    Raises:
        ReleaseError: the name ends otherwise.
    """
    if path.suffix == ".parquet":
        parquet.write_table(found, path, compression="zstd")
    elif path.suffix == ".csv":
        pa.csv.write_csv(found, path)
    else:
        raise ReleaseError(f"{path.name}: a history is written as .parquet or .csv")


def _row(seal: Seal, outcome: Outcome) -> dict[str, Any]:
    share = None
    if outcome.violations is not None and outcome.denominator:
        share = outcome.violations / outcome.denominator
    return {
        "seal": seal.number,
        "release": seal.release_id,
        "sealed_at": seal.sealed_at,
        "check": outcome.name,
        "table": outcome.table,
        "category": outcome.category,
        "source": outcome.source,
        "severity": outcome.severity.value,
        "status": outcome.status.value,
        "violations": outcome.violations,
        "denominator": outcome.denominator,
        "share": share,
        "threshold": outcome.threshold,
    }
