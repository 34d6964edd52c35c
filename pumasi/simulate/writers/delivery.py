"""Writing what stood in a hospital's database on one day as the files of a delivery."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from pumasi.simulate.record import Record, one_thread

VERSIONED = (
    "visits", "conditions", "drugs", "procedures", "measurements", "observations", "deaths",
)  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """One delivery of a hospital: what stood in its database at the end of `through`.

    `after`: of an incremental delivery, the last day of the one before; only what was written or
    changed since is in it. None in a full delivery.
    """

    as_of: date
    through: date
    after: date | None = None

    @property
    def kind(self) -> str:
        """Kind of the delivery, as `delivery.toml` says it."""
        return "full" if self.after is None else "incremental"

    @property
    def folder(self) -> str:
        """Name of its folder: the day on which it was made."""
        return self.as_of.isoformat()


@dataclass(frozen=True)
class Writer:
    """One format: files by name with the query of their rows, and how DuckDB writes them.

    `once` are files of which a delivery has one, whatever its number of parts: texts by name, with
    `{as_of}` and `{through}` in the place of its days. `copied` are folders whose tables lie
    beside.
    """

    ending: str
    options: str
    files: Mapping[str, str]
    once: Mapping[str, str] = field(default_factory=dict)
    copied: tuple[Path, ...] = ()


def write_part(
    record: Record, hospital: str, writer: Writer, cut: Cut, folder: Path, part: int
) -> dict[str, int]:
    """Rows by file, of what `hospital` delivers of one chunk; a file without rows isn't written.

    The same record gives the same bytes: DuckDB runs in one thread.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    with one_thread() as connection:
        define_views(connection, record, hospital, cut)
        for name, query in writer.files.items():
            path = folder / f"{name}_{part}{writer.ending}"
            target = str(path).replace("'", "''")
            done = connection.execute(f"copy ({query}) to '{target}' ({writer.options})")
            rows[name] = done.fetchall()[0][0]
            if not rows[name]:
                path.unlink()
    return rows


def write_about(writer: Writer, cut: Cut, folder: Path) -> None:
    """Write `delivery.toml`, and the files of which the format has one."""
    folder.mkdir(parents=True, exist_ok=True)
    said = f'as_of = {cut.as_of}\nextracted_through = {cut.through}\nkind = "{cut.kind}"\n'
    (folder / "delivery.toml").write_text(said, encoding="utf-8")
    for name, text in writer.once.items():
        text = text.replace("{as_of}", str(cut.as_of)).replace("{through}", str(cut.through))
        (folder / name).write_text(text, encoding="utf-8")
    for table in sorted(file for source in writer.copied for file in source.glob("*.csv")):
        shutil.copyfile(table, folder / table.name)


def define_views(
    connection: duckdb.DuckDBPyConnection, record: Record, hospital: str, cut: Cut
) -> None:
    """Define what the queries of the formats read: what stood in the hospital's database.

    Views `persons`, `known` (all persons, also in an incremental delivery) and those of VERSIONED,
    each with the columns of its table of `record`; the last have `changed` besides.
    """
    for name, table in record.tables().items():
        connection.register(f"every_{name}", table)
    after = f"date '{cut.after}'" if cut.after else "date '0001-01-01'"
    connection.execute(f"create macro cut_through() as date '{cut.through}'")
    for name in VERSIONED:
        connection.execute(
            f"create temp view {name} as select *, from_date > recorded_date as changed "
            f"from every_{name} where hospital = '{hospital}' and from_date <= date '{cut.through}'"
            f" and coalesce(to_date, date '9999-12-31') > date '{cut.through}' "
            f"and from_date > {after}"
        )
    connection.execute(
        "create temp view known as select * exclude (death_date), "
        f"case when death_recorded_date <= date '{cut.through}' then death_date end as death_date "
        f"from every_persons where hospital = '{hospital}' "
        f"and registered_date <= date '{cut.through}'"
    )
    connection.execute(
        f"create temp view persons as select * from known where registered_date > {after} "
        f"or (death_date is not null and death_recorded_date > {after})"
    )
