"""Dagster's SQLite event log with its connections kept open.

Dagster opens each database anew for every event and closes it after; closing the last connection
makes SQLite write its log back and delete it. A build stores more than a thousand events, and this
took a fifth of it. Named in the dagster.yaml that `pumasi.config.workspace` writes.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

# One database of all runs and one for each run: a process writes to two, a server reads many.
MOST_OPEN = 8
WAIT_SECONDS = 30


class OpenSqliteEventLogStorage(SqliteEventLogStorage):
    """The same databases in the same folder; only their connections live longer.

    What a process that was killed had stored is there. After a power cut the last events may be
    missing, never half of one (SQLite's `synchronous = normal`): releases have seals of their own.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(*arguments, **named)

    @classmethod
    def from_config_value(  # type: ignore[override] # as in Dagster's own class
        cls, inst_data: Any, config_value: dict[str, str]
    ) -> "OpenSqliteEventLogStorage":
        """Make the storage from its section of dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard not in self._initialized_dbs:
            with super()._connect(shard):
                pass  # makes the tables
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        """Return the engine of a database, the one used least recently being let go for it."""
        if shard not in self._engines:
            if len(self._engines) == MOST_OPEN:
                self._engines.popitem(last=False)[1].dispose()
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": WAIT_SECONDS},
            )
            event.listen(engine, "connect", _relax)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def dispose(self) -> None:
        """Close every connection."""
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def _relax(connection: Any, _: Any) -> None:
    connection.execute("pragma synchronous = normal")
