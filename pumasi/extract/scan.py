"""How DuckDB reads each container: a relation with `line_no` and the expressions of its columns.

Text is read as text and typed afterwards, so that one bad value costs its row and not the file.
`ignore_errors` on JSON is never used: it turns a malformed line into a row of nulls.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import ARROW
from duckdb.sqltypes import BIGINT

from pumasi.extract.columns import Header, one_path
from pumasi.extract.contract import Column, Kind, Table

# Longer lines go to quarantine. DuckDB would buffer sixteen times this for every thread; twice is
# enough, and no slower (270 MB of CSV in 60 MB of memory).
MAX_LINE_BYTES = 4 << 20
BUFFER_BYTES = 2 * MAX_LINE_BYTES
# A control character that no JSON text holds unescaped: one column per line.
NO_DELIMITER = "\x1f"


@dataclass(frozen=True)
class Scan:
    """A readable relation: its SQL, its source expressions, and what makes a row unreadable."""

    relation: str
    sources: dict[str, str] = field(default_factory=dict)
    unreadable: str = "null"
    where: str = "true"


def csv_scan(path: Path, header: Header, table: Table, *, around: str | None = None) -> Scan:
    """Rows of a CSV; `around` if lines were refused in a first pass (see `number_around`)."""
    names = [f"c{index}" for index in range(len(header.columns))]
    types = ", ".join(f"'{name}': 'varchar'" for name in names)
    quote = '"' if header.quoted else ""
    relation = f"""(
        select *, {_line_number(around)} + 1 as line_no
        from (select *, row_number() over () as n from read_csv(
            {_quoted(path)}, columns = {{{types}}}, header = true, auto_detect = false,
            delim = {literal(header.delimiter)}, quote = '{quote}', escape = '{quote}',
            store_rejects = true, null_padding = false, max_line_size = {MAX_LINE_BYTES},
            buffer_size = {BUFFER_BYTES}
        )))"""
    sources = _by_name(table.columns, header.columns, names)
    # Files that were put one behind the other have their header again in the middle, perhaps with a
    # mark in front. It would be a row where no required column has a type of its own. Only what
    # enters is looked at: what else stands in a line can't make it unreadable.
    again = " and ".join(
        f"lower(ltrim(trim({name}), chr(65279))) = {literal(column.lower())}"
        for name, column in zip(names, header.columns, strict=True)
        if name in sources.values()
    )
    return Scan(relation, sources, unreadable=f"case when {again} then 'the header again' end")


def lines_inside_values(header: Header, table: Table) -> str:
    """SQL: lines, blank ones aside, that the rows of `csv_scan` have beyond one each, summed.

    Only texts may break lines. A break in the value of a date, a code, a number or an identifier
    comes of a quotation mark that nobody closed, so it isn't counted and the lines don't add up.
    """
    counts = [
        f"coalesce(len(regexp_extract_all(c{index}, '\\n(\\r?\\n)*')), 0)"
        for index in texts_of(header, table)
    ]
    return f"coalesce(sum({' + '.join(counts) or '0'}), 0)"


def texts_of(header: Header, table: Table) -> list[int]:
    """Positions of the columns that may break lines: texts, and what no contract names."""
    texts = [column for column in table.columns if column.kind in (Kind.VALUE, Kind.TEXT)]
    firm = {name for column in table.columns for name in column.source_names()}
    firm -= {name for column in texts for name in column.source_names()}
    return [index for index, name in enumerate(header.columns) if name.lower() not in firm]


def broken(header: Header) -> str:
    """SQL condition: the row has a line break in any of its values."""
    return " or ".join(f"contains(c{index}, chr(10))" for index in range(len(header.columns)))


def table_scan(relation: str, header: Header, table: Table) -> Scan:
    """Rows of a parquet file or a database table."""
    names = [f"c{index}" for index in range(len(header.columns))]
    columns = ", ".join(
        '"' + written.replace('"', '""') + f'" as {name}'
        for name, written in zip(names, header.columns, strict=True)
    )
    numbered = f"(select {columns}, row_number() over () as line_no from {relation})"
    return Scan(numbered, _by_name(table.columns, header.columns, names))


def parquet_relation(*paths: Path) -> str:
    """Table function that reads parquet files."""
    return f"read_parquet([{', '.join(_quoted(path) for path in paths)}])"


def ndjson_lines(path: Path, *, around: str | None = None) -> str:
    """Lines of a NDJSON file: `line`, `line_no`; `around` as in `csv_scan`."""
    return f"""(
        select line, {_line_number(around)} as line_no
        from (select line, row_number() over () as n from read_csv(
            {_quoted(path)}, columns = {{'line': 'varchar'}}, header = false, auto_detect = false,
            delim = {literal(NO_DELIMITER)}, quote = '', escape = '', store_rejects = true,
            strict_mode = false, null_padding = true, max_line_size = {MAX_LINE_BYTES},
            buffer_size = {BUFFER_BYTES}
        )) where line <> '')"""


def bundle_lines(paths: Sequence[Path]) -> str:
    """Resources of Bundles (or of files with one resource each), many files in one relation.

    `line` is the resource, `line_no` its entry, from 1; `file_at` the position of the file in
    `paths`, from 1. A file that is no JSON, or no UTF-8, is one line that can't be read.
    """
    files = "[" + ", ".join(_quoted(path) for path in paths) + "]"
    names = "[" + ", ".join(literal(str(path)) for path in paths) + "]"
    return f"""(
        select file_at, unnest(entries) as line, generate_subscripts(entries, 1) as line_no
        from (select file_at, case
            when not json_valid(content) then ['']
            when json_extract_string(content, '$.resourceType') is distinct from 'Bundle'
            then [content]
            when coalesce(json_type(content, '$.entry'), 'ARRAY') not in ('ARRAY', 'NULL')
            then ['']
            -- An entry without a resource is one that can't be read, not none.
            else list_transform(json_extract(content, '$.entry[*]'),
                lambda e: coalesce(json_extract(e, '$.resource')::varchar, '{{}}'))
            end as entries
            from (select list_position({names}, filename) as file_at,
                ltrim(coalesce(try(decode(content)), ''), chr(65279)) as content
                from read_blob({files}))))"""


def json_scan(lines: str, table: Table, *, main: bool, place: str = "line_no") -> Scan:
    """Lines that hold the table's resource; if `main`, also those that hold none at all."""
    resource = f"r.resourceType = '{table.resource}'"
    orphan = "r is null or r.resourceType is null"
    return Scan(
        _parsed(lines, table.structure, place),
        {column.name: column.sources[0] for column in table.columns},
        unreadable="case when r is null then 'malformed JSON' "
        "when r.resourceType is null then 'no resourceType' end",
        where=f"({resource} or {orphan})" if main else resource,
    )


def unused_types(lines: str, used: Collection[str]) -> str:
    """SELECT of the resource types that no table takes, and of how many lines hold each."""
    listed = ", ".join(literal(name) for name in sorted(used))
    # What is no name of a type could be anything: it isn't shown.
    name = "case when regexp_full_match(r.resourceType, '[A-Za-z]{1,50}') then r.resourceType end"
    return (
        f"select coalesce({name}, 'other'), count(*) "
        f"from {_parsed(lines, {'resourceType': 'VARCHAR'}, 'line_no')} "
        f"where r.resourceType not in ({listed}) group by 1 order by 1"
    )


def _parsed(lines: str, structure: Mapping[str, Any], place: str) -> str:
    # One look at each line: `json_valid` beside it took half as much memory and time again.
    shape = literal(json.dumps(structure))
    return f"(select {place}, line, try(from_json(line, {shape})) as r from {lines})"


def number_around(
    connection: duckdb.DuckDBPyConnection, name: str, rejected: Sequence[int], *, header: bool
) -> None:
    """Define the function `name` of SQL: how many refused records lie before the n-th row.

    Args:
        connection: where the scan will run; all of its cursors see the function.
        name: what a scan is told as `around`.
        rejected: numbers (int64) of the refused records, from 1 with the header, ascending.
        header: whether the first record is one.
    """
    first = 2 if header else 1
    starts = np.asarray(rejected, np.int64) - np.arange(len(rejected)) - (first - 1)

    def before(n: pa.ChunkedArray) -> pa.Array:
        return pa.array(np.searchsorted(starts, n.to_numpy(), side="right").astype(np.int64))

    connection.create_function(name, before, [BIGINT], BIGINT, type=ARROW)


def _line_number(around: str | None) -> str:
    return f"n + {around}(n)" if around else "n"


def _by_name(
    columns: Sequence[Column], written: Sequence[str], expressions: Sequence[str]
) -> dict[str, str]:
    present = {name.lower(): sql for name, sql in zip(written, expressions, strict=True)}
    found = {}
    for column in columns:
        name = next((each for each in column.source_names() if each in present), None)
        if name is not None:
            found[column.name] = present[name]
    return found


def _quoted(path: Path) -> str:
    """The path as an SQL string in which `*`, `?` and `[` stand for themselves."""
    return literal(one_path(path))


def literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
