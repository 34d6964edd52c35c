"""Rows that a quotation mark swallowed: whole rows of a CSV that stand inside the value of another.

Two quotation marks in the same column of two rows make one row of them and of all between. Such a
row has the right number of columns, and in a text, which may break lines, the lines even add up. So
every value of several lines is looked into: is one of its lines a row of the table?
"""

import re
from collections.abc import Mapping, Sequence

from pumasi.extract.columns import Header
from pumasi.extract.contract import Column, Kind, Table
from pumasi.extract.scan import literal

# What a required column has at least: a day, a number, anything at all.
DAY = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
COMPACT_DAY = re.compile(r"\s*\d{4}-?\d{2}-?\d{2}")
NUMBER = re.compile(r"\s*-?\d+(\.\d*)?\s*")
ANYTHING = re.compile(r"\s*\S")
SHAPES: Mapping[Kind, re.Pattern[str]] = {
    Kind.DATE: DAY,
    Kind.TIMESTAMP: DAY,
    Kind.YEAR: re.compile(r"\s*\d{4}"),
    Kind.INTEGER: NUMBER,
    Kind.DOUBLE: NUMBER,
}
Firm = Mapping[int, re.Pattern[str]]


def candidates(relation: str, header: Header, texts: Sequence[int]) -> str:
    """SELECT of `line_no`, column and value wherever a line has as many delimiters as a row.

    The first and the last line of a value go on outside it: together they must be two rows.

    Args:
        relation: what `csv_scan` reads.
        header: of the file.
        texts: positions of the columns whose values may break lines.
    """
    last = len(header.columns) - 1
    delimiter = literal(header.delimiter)
    found = [
        f"""case when contains(c{at}, chr(10)) and (
            list_contains(list_transform(string_split(c{at}, chr(10))[2:-2],
                lambda x: {_count("x", delimiter)}), {last})
            or {_count(f"string_split(c{at}, chr(10))[1]", delimiter)} = {last - at}
            and {_count(f"string_split(c{at}, chr(10))[-1]", delimiter)} = {at}
        ) then {{'column': {at}, 'value': c{at}}} end"""
        for at in texts
    ]
    return f"""
        select line_no, found.column, found.value
        from (select line_no, unnest([{", ".join(found)}]) as found from {relation})
        where found is not null"""


def _count(text: str, delimiter: str) -> str:
    return f"(len({text}) - len(replace({text}, {delimiter}, '')))"


def firm_columns(table: Table, header: Header) -> Firm:
    """What the values of the required columns look like, by the column's position in the file."""
    required: dict[str, Column] = {}
    for column in table.columns:
        if column.required:
            required |= dict.fromkeys(column.source_names(), column)
    return {
        index: _shape(required[name.lower()])
        for index, name in enumerate(header.columns)
        if name.lower() in required
    }


def _shape(column: Column) -> re.Pattern[str]:
    shape = SHAPES.get(column.kind, ANYTHING)
    return COMPACT_DAY if shape is DAY and column.compact else shape


def holds_a_row(value: str, at: int, header: Header, firm: Firm) -> bool:
    """Whether a line of the value, which stands in column `at`, is a row of the table.

    A text with as many commas as the table has columns is no row: where the table requires a date
    or a number, a row has one.
    """
    width = len(header.columns)
    lines = [line.split(header.delimiter) for line in value.split("\n")]
    first, *between, last = lines
    if any(len(fields) == width and _fits(fields, 0, firm) for fields in between):
        return True
    if len(first) != width - at or len(last) != at + 1:
        return False
    # The fields that the quotation mark cuts in two say nothing.
    return _fits(first[1:], at + 1, firm) and _fits(last[:-1], 0, firm)


def _fits(fields: Sequence[str], start: int, firm: Firm) -> bool:
    return all(
        firm[index].match(field) is not None
        for index, field in enumerate(fields, start)
        if index in firm
    )
