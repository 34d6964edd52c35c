"""A real PostgreSQL for the tests of a module: Debian's, on loopback, in a folder of its own.

PostgreSQL refuses to run as root, as tests may: then it runs as `postgres` or `nobody`.
"""

import io
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as postgres
import pyarrow.csv
from adbc_driver_postgresql.dbapi import Error as DatabaseError

from orchestration.flower.programs import unused_port
from tests.needs import unavailable

OWNER_PASSWORD = "owner-secret-7d1f"
# Characters that mean something in an address, so that a wrong one would end up in messages.
READER_PASSWORD = "p@ss/w:rd?&#%-9c2e"


def programs() -> Path:
    """The folder of initdb and postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        unavailable("no PostgreSQL; to run this test: apt-get install postgresql")
    return found[-1].parent


@dataclass
class Server:
    """One server: `owner` may do everything, `reader` what is granted."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address that a configuration names: no password."""
        return f"postgresql://reader@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [
                *_as_somebody(), str(programs() / "postgres"), "-D", str(self.folder / "data"),
                "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories=", "-c", "fsync=off",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )  # fmt: skip
        for _ in range(300):
            with suppress(DatabaseError):
                self.ask("select 1")
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: SIGINT ends every connection and shuts down, SIGQUIT at once."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)

    def ask(self, *statements: str) -> list[Any]:
        """Run statements as the owner, each committed; the rows of the last."""
        rows: list[Any] = []
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                with suppress(DatabaseError):
                    rows = list(cursor.fetchall())
        return rows

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A connection of the owner."""
        url = f"postgresql://owner:{OWNER_PASSWORD}@127.0.0.1:{self.port}/postgres"
        with postgres.connect(url, autocommit=True) as connection:
            yield connection

    def load(self, schema: str, files: Mapping[str, str], stamp: str = "2024-06-01") -> None:
        """A new schema with a table of each CSV; every row was changed at `stamp`."""
        self.ask(f"drop schema if exists {schema} cascade", f"create schema {schema}")
        for name, text in files.items():
            table = pyarrow.csv.read_csv(io.BytesIO(text.encode()))
            table_name = Path(name).stem
            with self.connect() as connection, connection.cursor() as cursor:
                cursor.adbc_ingest(table_name, table, mode="create", db_schema_name=schema)
            self.ask(
                f"alter table {schema}.{table_name} add updated_at timestamp default '{stamp}'"
            )
        self.ask(
            f"grant usage on schema {schema} to reader",
            f"grant select on all tables in schema {schema} to reader",
        )


@contextmanager
def running_server() -> Iterator[Server]:
    """A new server; its folder is gone afterwards."""
    # Not below pytest's folder, which is root's alone.
    folder = Path(tempfile.mkdtemp(prefix="pumasi-postgres-"))
    if os.getuid() == 0:
        user = pwd.getpwnam(_somebody())
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        server = Server(folder, unused_port())
        _make(server)
        server.start()
        server.ask(f"create role reader login password '{READER_PASSWORD}'")
        try:
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.stop()
    finally:
        shutil.rmtree(folder)


def _make(server: Server) -> None:
    password = server.folder / "password"
    password.write_text(OWNER_PASSWORD)
    password.chmod(0o644)
    subprocess.run(
        [
            *_as_somebody(), str(programs() / "initdb"), "-D", str(server.folder / "data"),
            "-A", "scram-sha-256", "-U", "owner", f"--pwfile={password}", "-N",
            "--locale=C.UTF-8", "-E", "UTF8",
        ],
        check=True,
        capture_output=True,
        cwd=server.folder,
    )  # fmt: skip


def _somebody() -> str:
    names = [user.pw_name for user in pwd.getpwall()]
    return "postgres" if "postgres" in names else "nobody"


def _as_somebody() -> list[str]:
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam(_somebody())
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids]
