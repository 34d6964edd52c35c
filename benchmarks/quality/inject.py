"""Putting a fault into the files of a delivery: set-wise in DuckDB, the same for the same seed.

Rows keep their order, and files their format. Text is read as text, so that what is not touched
stays as it was written.
"""

import os
import re
from pathlib import Path

import duckdb

from benchmarks.quality.catalogue import Fault, FaultError

# A delimiter that no text holds: a line is one value.
_AS_LINES = (
    "read_csv('{file}', header = false, columns = {{'%s': 'varchar'}}, delim = '\x1f', "
    "quote = '', escape = '')"
)
_READERS = {
    "csv": "read_csv('{file}', header = true, all_varchar = true)",
    "parquet": "read_parquet('{file}')",
    "ndjson": _AS_LINES % "json",
    "lines": _AS_LINES % "line",
}
_PLAIN = "format csv, header false, quote '', escape '', delimiter '\x1f'"
_WRITERS = {
    "csv": "format csv, header true",
    "parquet": "format parquet, compression zstd",
    "ndjson": _PLAIN,
    "lines": _PLAIN,
}
# Which rows of a table are hit: `hit` has their keys. Ties of the order are broken by the draw.
_DRAW = """
    create temp table hit as
    with candidates as (
        select {of} as key, min({order}) as first
        from numbered where {among} group by all having key is not null
    ), drawn as (
        select key, row_number() over (
            order by first, md5($seed || ':' || key::varchar), key::varchar
        ) as place, count(*) over () as n
        from candidates
    )
    select key from drawn where place <= {count}
"""


def inject(fault: Fault, size: float, seed: int, folder: Path) -> int:
    """Put the fault into the delivery in `folder`; returns the rows that were hit in all tables.

    Of what is done to whole files, and of lost columns, the number of those.

    Raises:
        FaultError: there is no such file, or no row can be hit.
    """
    files = [_file(folder, table) for table in fault.tables]
    if fault.action == "remove_file":
        for file in files[: round(size)]:
            file.unlink()
        return min(len(files), round(size))
    if fault.action == "cut":
        return _cut(files[0], size, stated=fault.stated)
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        if fault.action == "lose_columns":
            return _lose_columns(connection, fault, round(size), files[0])
        hit = 0
        for number, file in enumerate(files):
            hit += _rewrite(connection, fault, size, f"{seed}:{fault.id}", file, draw=not number)
    if not hit:
        raise FaultError(f"fault {fault.id}: no row of {fault.tables[0]} can be hit, seed {seed}")
    return hit


def _file(folder: Path, table: str) -> Path:
    """The file of a table: called as it, or with a number behind."""
    named = re.compile(rf"{re.escape(table)}(_\d+)?")
    found = [path for path in folder.iterdir() if named.fullmatch(path.stem)]
    found = [path for path in folder.iterdir() if path.name == table] or found
    if len(found) != 1:
        raise FaultError(f"the delivery has {len(found)} files of {table}: one is needed")
    return found[0]


def _cut(file: Path, size: float, *, stated: bool) -> int:
    """Take the share `size` of the bytes off the end, as a broken transfer does.

    If `stated`, the delivery says how many there were.
    """
    content = file.read_bytes()
    if stated:
        about = file.with_name("delivery.toml")
        said = about.read_bytes() + f'\n[bytes]\n"{file.name}" = {len(content)}\n'.encode()
        _replace(about, said)
    _replace(file, content[: round(len(content) * (1 - size))])
    return 1


def _lose_columns(
    connection: duckdb.DuckDBPyConnection, fault: Fault, number: int, file: Path
) -> int:
    kind = _kind(fault, file)
    lost = list(fault.set)[:number]
    rest = f"select * exclude ({', '.join(_quoted(column) for column in lost)})"
    _write(connection, f"{rest} from {_relation(kind, file)}", kind, file)
    return len(lost)


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    fault: Fault,
    size: float,
    seed: str,
    file: Path,
    *,
    draw: bool,
) -> int:
    """Write the file anew with the fault in it; returns the rows hit."""
    kind = _kind(fault, file)
    of = fault.of or "n_"
    try:
        connection.execute(
            "create or replace temp table numbered as "
            f"select row_number() over () as n_, * from {_relation(kind, file)}"
        )
        if draw:
            count = f"ceil({size} * n)" if fault.unit == "share" else str(round(size))
            query = _DRAW.format(of=of, order=fault.order or "0", among=fault.among, count=count)
            connection.execute(query, {"seed": seed})
        connection.execute(
            "create or replace temp table marked as "
            f"select *, ({fault.among}) and ({of}) in (select key from hit) as hit_ from numbered"
        )
        counted = connection.execute("select count(*) filter (hit_) from marked").fetchall()
        query = _RESULTS[fault.action].format(set=_set(fault))
        _write(connection, f"select * exclude (n_, hit_) from ({query}) order by n_", kind, file,
               fault.encoding)  # fmt: skip
    except duckdb.Error as error:
        raise FaultError(f"fault {fault.id}, {file.name}: {error}") from None
    return int(counted[0][0])


_RESULTS = {
    "change": "select * replace ({set}) from marked where hit_ "
    "union all select * from marked where not coalesce(hit_, false)",
    "repeat": "from marked union all select * replace ({set}) from marked where hit_",
    "remove": "from marked where not coalesce(hit_, false)",
}


def _set(fault: Fault) -> str:
    said = fault.set or {"n_": "n_"}
    return ", ".join(f"({value}) as {_quoted(column)}" for column, value in said.items())


def _kind(fault: Fault, file: Path) -> str:
    kind = "lines" if fault.lines else file.suffix.removeprefix(".")
    if kind not in _READERS:
        raise FaultError(f"fault {fault.id}: {file.name} can only be taken as lines")
    return kind


def _relation(kind: str, file: Path) -> str:
    return _READERS[kind].format(file=str(file).replace("'", "''"))


def _write(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    kind: str,
    file: Path,
    encoding: str = "utf-8",
) -> None:
    """Write a new file in the place of the old one, which may be a link to another's."""
    made = file.with_name(f".{file.name}")
    target = str(made).replace("'", "''")
    connection.execute(f"copy ({query}) to '{target}' ({_WRITERS[kind]})")
    if encoding != "utf-8":
        made.write_bytes(made.read_text(encoding="utf-8").encode(encoding))
    os.replace(made, file)


def _replace(file: Path, content: bytes) -> None:
    made = file.with_name(f".{file.name}")
    made.write_bytes(content)
    os.replace(made, file)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
