"""Which columns a CSV, parquet or DuckDB file has, held against the contract of its table."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import duckdb

from pumasi.errors import DeliveryError
from pumasi.extract.contract import Table
from pumasi.extract.files import container_of, opened

LONGEST_HEADER = 1 << 20
QUOTED_FIRST = re.compile(rb'"[^"\t]*"\t')
ZONED = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class Header:
    """Columns of a file as they are written there; of a CSV, delimiter and quotation marks."""

    columns: tuple[str, ...]
    delimiter: str = ","
    quoted: bool = True  # whether values may be in quotation marks
    zoned: tuple[str, ...] = ()  # columns whose values are instants, not local times


def csv_header(path: Path, name: str, encoding: str = "utf-8") -> Header:
    """Header of a CSV: the delimiter is the one of comma, tab, semicolon, bar that it has most of.

    Raises:
        DeliveryError: the file is empty or its header is not in the encoding.
    """
    with opened(path) as stream:
        first = stream.readline(LONGEST_HEADER)
        second = stream.readline(LONGEST_HEADER)
    if encoding != "utf-8" and first.startswith(codecs.BOM_UTF8):
        raise DeliveryError(
            f"{name}, line 1: the file begins with the mark of UTF-8, but is said to be "
            f"{encoding.upper()}; nothing of this delivery was taken in. Put `encoding = "
            '"utf-8"` into [source], or have the file exported as it is said to be'
        )
    try:
        line = first.decode("utf-8-sig" if encoding == "utf-8" else encoding).rstrip("\r\n")
    except UnicodeDecodeError:
        said = encoding.upper()
        raise DeliveryError(f"{name}, line 1: the header is not {said}; export as {said}") from None
    if not line.strip():
        raise DeliveryError(f"{name}, line 1: the file has no header line; export it again")
    if "\r" in line:
        raise DeliveryError(
            f"{name}, line 1: lines end with a lone carriage return; export it with line feeds"
        )
    delimiter = max(",\t;|", key=line.count)
    columns = next(csv.reader([line], delimiter=delimiter))
    # Athena's tab-separated files have quotation marks in names, which mean nothing; others put
    # values into them, and then the header or the first value, an identifier, is in them too.
    quoted = delimiter != "\t" or '"' in line or QUOTED_FIRST.match(second) is not None
    return Header(tuple(column.strip() for column in columns), delimiter, quoted)


def one_path(path: Path) -> str:
    """The path for a reader of DuckDB, which takes a pattern: here it is one file and no other."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def parquet_header(path: Path, name: str) -> Header:
    """Columns of a parquet file."""
    try:
        # One of its own: the default connection is not for several threads.
        with duckdb.connect() as connection:
            top = connection.execute(
                "describe select * from read_parquet(?)", [one_path(path)]
            ).fetchall()
    except duckdb.Error:
        raise DeliveryError(f"{name} is not a parquet file; export it again") from None
    return Header(
        tuple(str(row[0]) for row in top),
        zoned=tuple(str(row[0]).lower() for row in top if row[1] == ZONED),
    )


def check_zones(table: Table, header: Header, name: str) -> None:
    """Whether every time that enters is local: the day of an instant depends on who asks.

    Raises:
        DeliveryError: a column of the contract holds instants.
    """
    wanted = {source for column in table.columns for source in column.source_names()}
    zoned = sorted(wanted & set(header.zoned))
    if zoned:
        raise DeliveryError(
            f"{name}: column `{zoned[0]}` of table {table.name} is a time with time zone: which "
            "day it is depends on the zone, and the hospital's is not in the file. Nothing of this "
            "delivery was taken in. Export it as local time without a zone (timestamp) or as date"
        )


def check_columns(table: Table, columns: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """Columns that no contract names, and optional ones that the file lacks, both by name.

    Raises:
        DeliveryError: a required or expected column is not there; the message names the likeliest
            rename. Or no column at all is, or one is there twice.
    """
    place = f"{name}, line 1" if container_of(name) == "csv" else name
    present = {column.lower() for column in columns}
    wanted = {source for column in table.columns for source in column.source_names()}
    extra = sorted(present - wanted)
    twice = [each for each, n in Counter(c.lower() for c in columns).items() if n > 1]
    if set(twice) & wanted:
        raise DeliveryError(
            f"{place}: column `{sorted(set(twice) & wanted)[0]}` is there twice; nothing "
            "of this delivery was taken in. Ask the source which of them is meant"
        )
    missing = [c for c in table.columns if not present & set(c.source_names())]
    if not present & wanted:
        # Without a header this is the first row: none of it may be shown.
        raise DeliveryError(
            f"{place}: no column of table {table.name} is there; is it the header? "
            "Nothing of this delivery was taken in. Ask the source for a file with its header"
        )
    for column in missing:
        if column.required or column.expected:
            near = get_close_matches(column.source_names()[0], extra, n=1, cutoff=0.5)
            hint = f" (renamed to `{near[0]}`?)" if near else ""
            raise DeliveryError(
                f"{place}: column `{column.source_names()[0]}` of table {table.name} is "
                f"missing{hint}; nothing of this delivery was taken in. Ask the source for it"
            )
    return extra, [column.source_names()[0] for column in missing]
