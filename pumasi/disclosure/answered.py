"""What a hospital has answered, kept by the hospital alone: replies, and of whom they were.

A reply is kept under its run and exchange before it leaves, so that asking again gives the same
bytes, and nothing else under the same masks. An SQLite file of mode 0600.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pumasi.disclosure.differencing import Persons
from pumasi.disclosure.ledger import Spent

_TABLES = """
create table if not exists exchange (
    run text not null,
    number integer not null,
    request text not null,
    subject text not null,
    mode text not null,
    entries integer not null,
    rho real,
    reply blob not null,
    primary key (run, number)
);
create table if not exists persons (
    key text primary key,
    subject text not null,
    minimum integer not null,
    kept blob not null
);
"""


class Answered:
    """The record of one hospital; every call is one transaction.

    Args:
        file: where it is kept; made when first used.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process answers by this record, and keep them waiting."""
        self._make()
        with self.file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def reply(self, run: str, number: int) -> tuple[str, bytes] | None:
        """Hash of the request and the reply of an exchange that was answered, else None."""
        with self._open() as database:
            query = "select request, reply from exchange where run = ? and number = ?"
            found = database.execute(query, (run, number)).fetchone()
        return None if found is None else (str(found[0]), bytes(found[1]))

    def persons(self) -> Iterator[Persons]:
        """Of whom answers were, each set once, one after the other: they can be large."""
        with self._open() as database:
            for subject, kept in database.execute("select subject, kept from persons"):
                yield Persons.from_bytes(subject, kept)

    def compared(self, minimum: int) -> frozenset[str]:
        """Keys of the sets of persons each of which differs from every other in none or enough.

        That is all that are kept, or none if one was held against the others at a lower minimum:
        two sets were compared at least at the smaller of the minima that are kept with them.
        """
        with self._open() as database:
            query = "select key from persons where ? <= (select min(minimum) from persons)"
            return frozenset(str(key) for (key,) in database.execute(query, (minimum,)))

    def numbers(self, subject: str, mode: str) -> int:
        """How many numbers were answered for the subject in this mode."""
        with self._open() as database:
            query = "select coalesce(sum(entries), 0) from exchange where subject = ? and mode = ?"
            return int(database.execute(query, (subject, mode)).fetchone()[0])

    def spent(self) -> Spent:
        """What all answers together have spent."""
        with self._open() as database:
            query = "select total(rho), count(*) - count(rho) from exchange"
            rho, exact = database.execute(query).fetchone()
        return Spent(float(rho), int(exact))

    def keep(
        self,
        *,
        run: str,
        number: int,
        request: str,
        subject: str,
        mode: str,
        entries: int,
        rho: float | None,
        reply: bytes,
        persons: Sequence[Persons],
        minimum: int,
    ) -> None:
        """Keep a reply, of whom it is and what it spent (None: it is exact).

        The `persons` were held against all that are kept, at the `minimum`. Raises sqlite3.Error if
        the exchange has a reply.
        """
        with self._open() as database:
            database.executemany(
                "insert into persons values (?, ?, ?, ?) "
                "on conflict do update set minimum = max(minimum, excluded.minimum)",
                [(each.key, each.subject, minimum, each.to_bytes()) for each in persons],
            )
            database.execute(
                "insert into exchange values (?, ?, ?, ?, ?, ?, ?, ?)",
                (run, number, request, subject, mode, entries, rho, reply),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._make()
        database = sqlite3.connect(self.file, timeout=30)
        try:
            database.executescript(_TABLES)
            database.execute("pragma synchronous = full")
            with database:
                yield database
        finally:
            database.close()

    def _make(self) -> None:
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o600))
