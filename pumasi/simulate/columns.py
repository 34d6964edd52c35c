"""From numpy to arrow: days with gaps, and words from short lists.

While a life is computed a day is an int32 count since 1970 and a day that never comes is `NEVER`,
later than any other: comparing and taking the minimum need no special case. A word is its place in
a list, and no word is -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.simulate.schemas import SCHEMAS, WORD

Days = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

NEVER = np.int32(1_000_000)
YEAR_DAYS = 365.25
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Return `day` as days since 1970-01-01."""
    return (day - _EPOCH).days


def days_of(column: pa.ChunkedArray) -> Days:
    """Return a date column as days since 1970-01-01, `NEVER` where it is null."""
    numbers = column.cast(pa.int32()).fill_null(int(NEVER))
    return np.array(numbers.to_numpy(), dtype=np.int32)


def dates(days: npt.ArrayLike) -> pa.Array:
    """Return days since 1970-01-01 as dates, null from `NEVER` on."""
    numbers = np.asarray(days, dtype=np.int32)
    return pa.array(numbers, mask=numbers >= NEVER).cast(pa.date32())


def words(places: npt.ArrayLike, names: Sequence[str]) -> pa.DictionaryArray:
    """Return the words at `places` in `names`, null where a place is negative."""
    numbers = np.asarray(places, dtype=np.int16)
    return pa.DictionaryArray.from_arrays(
        pa.array(numbers, mask=numbers < 0), pa.array(names, pa.string())
    )


def words_of(values: npt.NDArray[np.str_]) -> pa.DictionaryArray:
    """Return an array of words as they are, null where one is empty."""
    names, place = np.unique(values, return_inverse=True)
    return words(np.where(names[place] == "", -1, place), names.tolist())


def word(name: str | None, rows: int) -> pa.DictionaryArray:
    """Return one word, or none, for `rows` rows."""
    place = -1 if name is None else 0
    return words(np.full(rows, place, np.int16), () if name is None else (name,))


def places_of(column: pa.ChunkedArray, names: Sequence[str]) -> Ints:
    """Return the place in `names` of each word of `column`, -1 where it is null or not there."""
    encoded = column.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    known = {name: place for place, name in enumerate(names)}
    of_entry = [known.get(entry, -1) for entry in encoded.dictionary.to_pylist()]
    lookup = np.array([*of_entry, -1], dtype=np.int64)
    places: Ints = lookup[encoded.indices.cast(pa.int64()).fill_null(len(of_entry)).to_numpy()]
    return places


def table_of(name: str, columns: Mapping[str, object]) -> pa.Table:
    """Return the table `name` of a life made of `columns`, which must be all that its schema has.

    A day may be given as numbers; a column given as None is all null.
    """
    schema = SCHEMAS[name]
    rows = len(columns["person"])  # type: ignore[arg-type]
    if set(columns) != set(schema.names):
        raise ValueError(f"the table {name} has other columns than its schema")
    return pa.table([_array(columns[f.name], f.type, rows) for f in schema], schema=schema)


def no_rows(name: str) -> pa.Table:
    """Return the table `name` of a life without a row."""
    return SCHEMAS[name].empty_table()


def stacked(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of `parts`, tables `name` of one chunk, with one list of words a column."""
    if not parts:
        return no_rows(name)
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _array(values: object, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return word(None, rows) if kind == WORD else pa.nulls(rows, kind)
    if kind == pa.date32() and not isinstance(values, pa.Array | pa.ChunkedArray):
        return dates(values)  # type: ignore[arg-type]
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return pa.array(values, kind)
