"""The repair of Great Expectations' DuckDB dialect, for exactly the version that is pinned.

Great Expectations closes a connection before it fetches from it, except for dialects on a list of
its own; on DuckDB every metric then ends in "list index out of range". Putting DuckDB on that list
makes all of it work. A test says when the repair is no longer needed.
"""

from __future__ import annotations

import enum

from great_expectations.execution_engine import sqlalchemy_execution_engine as engine


class _Dialect(enum.StrEnum):
    DUCKDB = "duckdb"


def repair() -> None:
    """Make Great Expectations work on DuckDB. Doing it again changes nothing."""
    dialects = engine._PERSISTED_CONNECTION_DIALECTS
    if _Dialect.DUCKDB not in dialects:
        engine._PERSISTED_CONNECTION_DIALECTS = (*dialects, _Dialect.DUCKDB)  # type: ignore[assignment]
