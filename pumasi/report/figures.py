"""What a characterisation looks like: figures and tables of the page, small cells left out.

Cells of fewer than 10 persons are neither drawn nor printed, here and nowhere later: what is
returned can be shown inside the hospital.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from pumasi.quality.characterisation import SMALLEST_CELL
from pumasi.report import svg

TOP_CONCEPTS = 10
TESTS_SHOWN = 24
CODES_SHOWN = 20
_FEMALE, _MALE = 8532, 8507
# Of months with data from which on the figures begin: stray dates of long ago don't widen them.
_FIRST_MONTH_SHARE = 0.001


@dataclass(frozen=True)
class Figure:
    """A plot with what stands over it and beside it; `note` says what was left out."""

    title: str
    plot: str
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """One row of a table of frequencies; `share` is of its longest bar (0..1)."""

    name: str
    records: int
    persons: int
    share: float


@dataclass(frozen=True)
class Characterised:
    """What the page shows of a characterisation."""

    persons: list[Figure]
    months: list[Figure]
    tests: list[Figure]
    stays: list[Figure]
    concepts: dict[str, list[Bar]]
    unmapped: list[tuple[str, Bar]]


def figures(characterised: pa.Table) -> Characterised:
    """Return the figures and tables of a characterisation."""
    with duckdb.connect() as connection:
        connection.register("found", characterised)
        return Characterised(
            persons=[*_pyramid(connection), *_observed(connection), *_observation(connection)],
            months=list(_months(connection)),
            tests=list(_tests(connection)),
            stays=list(_stays(connection)),
            concepts=_concepts(connection),
            unmapped=_unmapped(connection),
        )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _cell(persons: int, value: float) -> float | None:
    """The value, unless it speaks of few persons."""
    return value if persons >= SMALLEST_CELL else None


def _left_out(values: Sequence[float | None], what: str) -> str:
    count = sum(value is None for value in values)
    if count == 1:
        return f"one {what} of fewer than {SMALLEST_CELL} persons is left out"
    return f"{count} {what}s of fewer than {SMALLEST_CELL} persons are left out" if count else ""


def _pyramid(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    """Persons by decade of birth: a decade has few cells, so that few are too small to show."""
    rows = _rows(
        connection,
        f"""
        select (10 * floor(lower / 10))::integer,
            coalesce(sum(persons) filter (where concept_id = {_FEMALE}), 0)::bigint,
            coalesce(sum(persons) filter (where concept_id = {_MALE}), 0)::bigint
        from found where analysis = 'persons_by_birth_year_and_sex' and lower is not null
        group by all order by all
        """,
    )
    if not rows:
        return
    women, men = ([_cell(row[i], row[i]) for row in rows] for i in (1, 2))
    labels = [f"{row[0]}s" for row in rows]
    alt = f"Persons by decade of birth and sex, {labels[0]} to {labels[-1]}"
    small = [v for v, row in zip((*women, *men), (*rows, *rows), strict=True) if row[1] + row[2]]
    yield Figure(
        "Persons by decade of birth and sex",
        svg.pyramid(women, men, labels, ("female", "male"), alt),
        _left_out(small, "cell"),
    )


def _observed(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    rows = _rows(
        connection,
        "select month, persons, persons from found where analysis = 'persons_observed' order by 1",
    )
    if rows:
        yield _by_month("Persons observed by month", rows, "persons")


def _observation(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    rows = _rows(
        connection,
        "select lower, persons from found where analysis = 'observation_years' order by 1",
    )
    if rows:
        yield _whole_numbers("Years of observation", rows, "years", "observation periods")


def _months(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    """One line per event table, over the months of the record."""
    rows = _rows(
        connection,
        f"""
        with last as (select max(month) as month from found where analysis = 'persons_observed'),
        counts as (
            select cdm_table, month, records, persons,
                max(records) over (partition by cdm_table) as most
            from found where analysis = 'records_by_month' and month is not null
                and month <= (from last)
        ), firsts as (
            select cdm_table, min(month) filter (where records > {_FIRST_MONTH_SHARE} * most)
                as first
            from counts group by all
        ), spans as (
            select cdm_table, unnest(generate_series(first, last.month, interval 1 month))::date
                as month
            from firsts cross join last
        )
        select spans.cdm_table, spans.month, coalesce(records, 0), coalesce(persons, 0)
        from spans left join counts
            on counts.cdm_table = spans.cdm_table and counts.month = spans.month
        order by 1, 2
        """,
    )
    for table in dict.fromkeys(row[0] for row in rows):
        yield _by_month(table, [row[1:] for row in rows if row[0] == table], "records")


def _by_month(title: str, rows: Sequence[tuple[Any, ...]], what: str) -> Figure:
    """A line over months; a month without any record is a zero, one of few persons a gap."""
    values = [0.0 if count == 0 else _cell(persons, count) for _, count, persons in rows]
    labels = [f"{month:%Y-%m}" for month, *_ in rows]
    hidden = sum(value is None for value in values)
    if hidden and hidden >= sum(bool(value) for value in values):
        # What is left is mostly the line of zero: of deaths in a small hospital nothing else.
        return Figure(title, "", f"too few persons in most months to be shown: {what} by month")
    alt = f"{title}: {what} by month from {labels[0]} to {labels[-1]}"
    plot = svg.line([(i, value) for i, value in enumerate(values)], labels, alt, f"{what} by month")
    return Figure(title, plot, _left_out(values, "month"))


def _tests(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    """Results of the tests of most persons: a histogram per unit, from percentile 2.5 to 97.5."""
    rows = _rows(
        connection,
        f"""
        with tests as (
            select concept_id, unit_concept_id, persons, records,
                row_number() over (order by persons desc, concept_id, unit_concept_id) as place
            from found where analysis = 'tests' and persons >= {10 * SMALLEST_CELL}
        )
        select place, coalesce(any_value(concept_name), 'concept ' || concept_id),
            coalesce(any_value(nullif(unit_name, 'No matching concept')), 'unit not known'),
            any_value(tests.persons), any_value(tests.records),
            list(lower order by lower), list(upper order by lower),
            list(found.records order by lower), list(found.persons order by lower)
        from tests inner join found using (concept_id, unit_concept_id)
        where analysis = 'value_histogram' and place <= {TESTS_SHOWN}
        group by place, concept_id order by place
        """,
    )
    for _, name, unit, persons, records, lower, upper, counts, cells in rows:
        values = [_cell(n, count) for n, count in zip(cells, counts, strict=True)]
        bars = _filled(lower, upper, values)
        alt = f"{name} in {unit}: results from {svg.number(lower[0])} to {svg.number(upper[-1])}"
        said = f"{records:,} results of {persons:,} persons"
        left = _left_out(values, "bar")
        yield Figure(
            name,
            svg.bars(bars, (lower[0], upper[-1]), alt, unit),
            f"{said}; {left}" if left else said,
        )


def _filled(
    lower: Sequence[float], upper: Sequence[float], values: Sequence[float | None]
) -> list[svg.Point]:
    """The bars at their places, with those between that have no result."""
    width = upper[0] - lower[0]
    if width <= 0:
        return [(lower[0], values[0])]
    count = round((upper[-1] - lower[0]) / width)
    placed = {round((at - lower[0]) / width): v for at, v in zip(lower, values, strict=True)}
    return [(lower[0] + i * width, placed.get(i)) for i in range(count)]


def _stays(connection: duckdb.DuckDBPyConnection) -> Iterator[Figure]:
    """Nights of the visits of each concept, longer ones than 30 together."""
    rows = _rows(
        connection,
        """
        with nights as (
            select coalesce(concept_name, 'concept ' || concept_id) as name,
                least(lower, 30)::integer as nights, sum(records)::bigint as records,
                max(persons) as persons
            from found where analysis = 'length_of_stay' and lower is not null group by all
        )
        select name, nights, records, persons from nights
        order by sum(records) over (partition by name) desc, name, nights
        """,
    )
    for name in dict.fromkeys(row[0] for row in rows):
        nights = [(row[1], row[2], row[3]) for row in rows if row[0] == name]
        values = {night: _cell(persons, records) for night, records, persons in nights}
        last = max(values)
        points = [(float(night), values.get(night)) for night in range(last + 1)]
        alt = f"{name}: visits by nights, 0 to {last}"
        unit = "nights" + (", 30 or more together" if last == 30 else "")
        note = _left_out(list(values.values()), "length")
        if last == 0:
            yield Figure(name, "", "no visit has a night")
        elif any(value is not None for value in values.values()):
            yield Figure(name, svg.bars(points, (0, last), alt, unit), note)
        else:
            yield Figure(name, "", "too few persons at each length to be shown")


def _whole_numbers(title: str, rows: Sequence[tuple[Any, ...]], unit: str, what: str) -> Figure:
    values = {int(at): _cell(persons, persons) for at, persons in rows}
    if all(value is None for value in values.values()):
        return Figure(title, "", f"too few persons in every bar to be shown: {what} by {unit}")
    points = [(float(at), values.get(at)) for at in range(max(values) + 1)]
    alt = f"{title}: {what} by {unit}, 0 to {max(values)}"
    plot = svg.bars(points, (0, max(values) + 1), alt, unit)
    return Figure(title, plot, _left_out(list(values.values()), "bar"))


def _concepts(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Bar]]:
    """The most frequent concepts of every event table, by records."""
    rows = _rows(
        connection,
        f"""
        select cdm_table, case when concept_id = 0 then 'no concept'
            else coalesce(concept_name, 'concept ' || concept_id) end, records, persons,
            records / max(records) over (partition by cdm_table)
        from found where analysis = 'records_by_concept' and persons >= {SMALLEST_CELL}
        qualify row_number() over (
            partition by cdm_table order by records desc, concept_id
        ) <= {TOP_CONCEPTS}
        order by cdm_table, records desc, concept_id
        """,
    )
    found: dict[str, list[Bar]] = {}
    for table, *bar in rows:
        found.setdefault(table, []).append(Bar(*bar))
    return found


def _unmapped(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, Bar]]:
    """The codes without a concept, of most rows; a code of few persons was never counted."""
    rows = _rows(
        connection,
        f"""
        select cdm_table, source_code, records, persons, records / max(records) over ()
        from found where analysis = 'unmapped_codes' and persons >= {SMALLEST_CELL}
        order by records desc, cdm_table, source_code limit {CODES_SHOWN}
        """,
    )
    return [(table, Bar(*bar)) for table, *bar in rows]
