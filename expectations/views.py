"""The database that the checks are run on: views of the candidate's tables, and no data.

The catalogue reads the OMOP tables as they are, in schemas of their own, beside the vocabulary. For
the suites there is one more view of each table.

A view adds to the rows of a person what rules compare them with: `born` (first day of the month of
birth, or of the year), `died`, `observed_from` and `observed_to` (first and last day of all periods
of observation), and `extracted_through` (of the latest delivery). Rules then are predicates on one
row, and a table is scanned once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import duckdb

from pumasi.errors import ReleaseError
from pumasi.omop.cdm import cdm_tables

_CONTEXT = """
    create view persons_context as
    with periods as (
        select person_id, min(observation_period_start_date) as observed_from,
            max(observation_period_end_date) as observed_to
        from {observation_period} group by person_id
    ), deaths as (
        select person_id, min(death_date) as died from {death} group by person_id
    )
    select person_id, died, observed_from, observed_to,
        -- try_: a month that is none must fail its own rule, not the query of every other.
        coalesce(try_cast(year_of_birth || '-' || coalesce(month_of_birth, 1) || '-1' as date),
            make_date(year_of_birth, 1, 1)) as born
    from {person} left join periods using (person_id) left join deaths using (person_id)
"""
# Columns that a rule needs and the table itself hasn't.
_EXTRA = {
    "cdm_source": "count(*) over () as rows_of_table",
}
# Schemas of the OMOP tables and of the vocabulary.
CDM, VOCABULARY = "cdm", "vocabulary"


def make_views(database: Path, candidate: Path, vocabulary: Path, tables: Iterable[str]) -> date:
    """Write a DuckDB file with a view of each table, read from the candidate's parquet.

    `vocabulary` is the folder of the vocabulary's tables. Returns the last day that the extract
    covers. Raises ReleaseError when the candidate lacks person, observation_period, death or
    deliveries, or no delivery says through which day it was extracted.
    """
    with duckdb.connect(database) as connection:
        through = _extracted_through(connection, candidate)
        _make_schemas(connection, candidate, vocabulary)
        needed = ("person", "observation_period", "death")
        files = {name: _parquet(candidate, name) for name in needed}
        connection.execute(_CONTEXT.format(**files))
        for table in tables:
            connection.execute(_view(connection, table, _parquet(candidate, table), through))
        return through


def catalogue_today(through: date) -> date:
    """What is today to the catalogue, where `through` is the last day that the extract covers.

    DQD allows tomorrow, for clocks that differ; an extract says which day was its last.
    """
    return through - timedelta(days=1)


def _make_schemas(connection: duckdb.DuckDBPyConnection, candidate: Path, vocabulary: Path) -> None:
    for schema in (CDM, VOCABULARY):
        connection.execute(f"create schema {schema}")
    for name, table in cdm_tables().items():
        of_vocabulary = table.schema == "VOCAB"
        schema, folder = (VOCABULARY, vocabulary) if of_vocabulary else (CDM, candidate)
        if (folder / f"{name}.parquet").is_file():
            connection.execute(f'create view {schema}."{name}" as from {_parquet(folder, name)}')


def _extracted_through(connection: duckdb.DuckDBPyConnection, candidate: Path) -> date:
    deliveries = _parquet(candidate, "deliveries")
    row = connection.execute(f"select max(extracted_through) from {deliveries}").fetchone()
    if row is None or row[0] is None:
        raise ReleaseError(
            "no delivery of the candidate says through which day it was extracted: state "
            "`extracted_through` in the site's file and read the delivery again"
        )
    found: date = row[0]
    return found


def _parquet(candidate: Path, table: str) -> str:
    file = candidate / f"{table}.parquet"
    if not file.is_file():
        raise ReleaseError(f"candidate without {file.name}: write the candidate again")
    return "read_parquet('" + str(file).replace("'", "''") + "')"


def _view(connection: duckdb.DuckDBPyConnection, table: str, parquet: str, through: date) -> str:
    columns = {row[0] for row in connection.execute(f"describe from {parquet}").fetchall()}
    extra = f", {_EXTRA[table]}" if table in _EXTRA else ""
    rows = f"select *{extra} from {parquet}"
    if "person_id" not in columns:
        context, join = "", ""
    else:
        context = ", born, died, observed_from, observed_to"
        join = "left join persons_context using (person_id)"
    return (
        f"create view \"{table}\" as select t.*{context}, date '{through}' as extracted_through "
        f"from ({rows}) t {join}"
    )
