"""Counting what a hospital's OMOP tables hold: one table of counts, whoever built the database.

It is what OHDSI's Achilles gives, as far as drift, trend and the scorecard need it. The table stays
in the hospital: it has counts of single persons.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import parquet

from pumasi.errors import QualityError
from pumasi.omop.cdm import cdm_tables
from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.characterisation import queries
from pumasi.quality.characterisation.events import event_tables

FILE = "characterisation.parquet"
COLUMNS = (
    *("analysis", "cdm_table", "concept_id", "concept_name", "unit_concept_id", "unit_name"),
    *("source_code", "month", "lower", "upper", "records", "persons"),
)


def characterise(cdm: Cdm) -> pa.Table:
    """Return the characterisation: one row per analysis and stratum, in an order of its own.

    Columns: analysis, cdm_table; what the stratum is: concept_id and concept_name, unit_concept_id
    and unit_name, source_code, month (its first day), lower and upper (a number, or a range from
    lower to below upper); records, and persons. What is not in
    the database has no row.

    Raises:
        QualityError: there is no table `person`, or a query breaks.
    """
    if not cdm.has("person", "person_id", "gender_concept_id", "year_of_birth"):
        raise QualityError("no table person with sex and year of birth: nothing to characterise")
    try:
        return _characterised(cdm)
    except duckdb.Error as error:
        # Not DuckDB's own words: they may quote a value of a row.
        raise QualityError(
            f"the tables can't be characterised ({type(error).__name__}): is every column of the "
            "type that CDM 5.4 gives it? `pumasi quality run` counts what is not"
        ) from None


def _characterised(cdm: Cdm) -> pa.Table:
    run = cdm.connection.execute
    run(queries.CREATE)
    for query in _queries(cdm):
        run(f"insert into characterised by name {query}")
    found = cdm.connection.sql(queries.named(cdm)).to_arrow_table()
    for name in ("characterised", "counted", "measured"):
        run(f"drop table if exists {name}")
    return found


def _queries(cdm: Cdm) -> Iterator[str]:
    """Every query that finds rows, in an order in which each comes after what it reads."""
    yield queries.persons(cdm)
    if cdm.has(
        "observation_period",
        *("person_id", "observation_period_start_date", "observation_period_end_date"),
    ):
        yield queries.last_complete_month(cdm)
        yield queries.observation_length(cdm)
        yield queries.persons_observed(cdm)
    for table in event_tables(cdm):
        cdm.connection.execute(queries.collect_events(cdm, table))
        for analysis in (queries.table_size, queries.by_month, queries.by_concept):
            yield analysis(table)
        yield queries.by_person(cdm, table)
        if table.name == "measurement":
            yield queries.tests_by_month(table)
        if table.source and cdm.has(table.name, table.source):
            yield queries.source_codes(cdm, table)
    if cdm.has("visit_occurrence", "person_id", "visit_concept_id", "visit_end_date"):
        yield queries.stays(cdm)
    if cdm.has("measurement", "person_id", "measurement_concept_id", "value_as_number"):
        cdm.connection.execute(queries.collect_values(cdm))
        yield from (queries.VALUES, queries.TESTS, queries.HISTOGRAM)


@contextmanager
def cdm_of_files(
    tables: Path, vocabulary: Path, today: date, memory_limit: str | None = None
) -> Iterator[Cdm]:
    """The OMOP tables of a folder of parquet files, with the concepts of a vocabulary's folder.

    What DuckDB has no memory for, at most `memory_limit` ("8GB"), goes to the folder of temporary
    files.

    Raises:
        QualityError: there is no OMOP table.
    """
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute("set temp_directory = $1", [folder])
        if memory_limit is not None:
            connection.execute("set memory_limit = $1", [memory_limit])
        names = [table.name for table in cdm_tables().values() if table.schema == "CDM"]
        files = {name: tables / f"{name}.parquet" for name in names}
        files["concept"] = vocabulary / "concept.parquet"
        for name, file in files.items():
            if file.is_file():
                connection.read_parquet(str(file)).create_view(name)
        yield Cdm.find(connection, "main", None, today)


def write_characterisation(found: pa.Table, path: Path) -> None:
    """Write a characterisation as zstd parquet; the same counts give the same bytes."""
    parquet.write_table(found, path, compression="zstd")


def read_characterisation(path: Path) -> pa.Table:
    """Return a characterisation that was written.

    Raises:
        QualityError: it can't be read, or has not the columns of a characterisation.
    """
    try:
        found = parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise QualityError(f"{path.name} can't be read ({type(error).__name__})") from None
    if missing := [name for name in COLUMNS if name not in found.column_names]:
        raise QualityError(f"{path.name} is no characterisation: it lacks {', '.join(missing)}")
    return found
