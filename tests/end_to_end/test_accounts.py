"""Nothing is lost: every line has a place, every row read a fate, every OMOP row one source row."""

from __future__ import annotations

import re

import duckdb

from pumasi.extract.manifest import load_manifests
from pumasi.omop import cdm_tables
from pumasi.omop.sources import has_source
from tests.end_to_end.extracts import Extract
from tests.end_to_end.network import Built

DERIVED = {"condition_era", "drug_era", "cdm_source"}


def one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The only number of a query's only row."""
    return int(connection.execute(query).fetchall()[0][0])


def warehouse(built: Built) -> duckdb.DuckDBPyConnection:
    """The site's warehouse, read only."""
    return duckdb.connect(str(built.paths.warehouse), read_only=True)


def raw_name(entity: str) -> str:
    """Raw table of a file stem or a resource type: MedicationRequest is medication_request."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", entity).lower()


def raw_rows(built: Built) -> dict[str, int]:
    """Rows of every raw table and every quarantined row, counted in the files themselves."""
    counts: dict[str, int] = {}
    with duckdb.connect() as connection:
        for path in built.paths.raw.glob("*/*.parquet"):
            if path.stem not in ("delivery", "read_counts"):
                rows = one(connection, f"select count(*) from read_parquet('{path}')")
                counts[path.stem] = counts.get(path.stem, 0) + rows
        quarantined = connection.execute(
            "select source_table, count(*) "
            f"from read_parquet('{built.paths.quarantine}/*.parquet') group by all"
        ).fetchall()
    for table, rows in quarantined:
        counts[table] = counts.get(table, 0) + rows
    return {table: rows for table, rows in counts.items() if rows}


def test_every_line_of_the_files_is_in_raw_or_in_quarantine_or_counted_as_ignored(
    built: Built, extract: Extract
) -> None:
    accounts = built.accounts("read_counts")
    ignored = {
        str(row["source_table"]): int(str(row["rows_ignored"]))
        for row in accounts
        if row["rows_ignored"]
    }
    counted = raw_rows(built) | ignored
    assert not raw_rows(built).keys() & ignored.keys()
    assert {raw_name(name): n for name, n in counted.items()} == {
        raw_name(entity): rows for entity, rows in extract.rows.items()
    }


def test_the_sealed_accounts_are_what_lies_there(built: Built) -> None:
    accounts = {str(row["source_table"]): row for row in built.accounts("read_counts")}
    kept = {
        name: int(str(row["rows_read"])) + int(str(row["rows_quarantined"]))
        for name, row in accounts.items()
    }
    assert {name: rows for name, rows in kept.items() if rows} == raw_rows(built)


def test_every_row_of_raw_has_exactly_one_fate(built: Built) -> None:
    with warehouse(built) as connection:
        for path in built.paths.raw.glob("*/*.parquet"):
            if path.stem in ("delivery", "read_counts"):
                continue
            delivery, table = path.parent.name, path.stem
            without = f"""
                select count(*) from (
                    select delivery_id, file_no, line_no, count(fate) as fates
                    from read_parquet('{path}') left join (
                        from intermediate.int_row_fates where source_table = '{table}'
                    ) using (delivery_id, file_no, line_no)
                    group by all
                ) where fates <> 1
            """
            assert (delivery, table, one(connection, without)) == (delivery, table, 0)
        fates = one(connection, "select count(*) from intermediate.int_row_fates")
        quarantined = sum(int(str(r["rows_quarantined"])) for r in built.accounts("read_counts"))
        assert fates == sum(raw_rows(built).values()) - quarantined


def test_every_omop_row_names_one_source_row_that_is_there(built: Built) -> None:
    with warehouse(built) as connection:
        omop = [name for name in built.parquet if name in cdm_tables() and name not in DERIVED]
        tables = [name for name in omop if has_source(name)]
        assert len(tables) == 20
        for table in tables:
            key = "person_id" if table == "death" else f"{table}_id"
            misnamed = f"""
                select count(*) from (
                    select {key} as omop_id, count(line_no) as sources
                    from read_parquet('{built.parquet[table]}') left join (
                        from intermediate.int_omop_rows where omop_table = '{table}'
                    ) on {key} = omop_id
                    group by all
                ) where sources <> 1
            """
            assert (table, one(connection, misnamed)) == (table, 0)
        named = "select distinct delivery_id, source_table from intermediate.int_omop_rows"
        for delivery, source in connection.execute(named).fetchall():
            raw = built.paths.raw / delivery / f"{source}.parquet"
            nowhere = f"""
                select count(*) from intermediate.int_omop_rows
                where source_table = '{source}' and delivery_id = '{delivery}'
                    and (file_no, line_no) not in (
                        select (file_no, line_no) from read_parquet('{raw}'))
            """
            assert (source, one(connection, nowhere)) == (source, 0)


def test_a_row_is_in_omop_if_and_only_if_its_fate_says_so(built: Built) -> None:
    keys = "delivery_id, source_table, file_no, line_no"
    named = f"select distinct {keys} from intermediate.int_omop_rows"
    fated = f"""
        select {keys} from intermediate.int_row_fates
        where fate = 'in_omop' and source_table <> 'cdm_source'
    """
    with warehouse(built) as connection:
        assert one(connection, f"select count(*) from ({named} except {fated})") == 0
        assert one(connection, f"select count(*) from ({fated} except {named})") == 0


def test_the_line_that_a_person_names_is_that_persons_line(built: Built, extract: Extract) -> None:
    (manifest,) = load_manifests(built.paths.deliveries)
    with warehouse(built) as connection:
        persons = connection.execute(
            "select file_no, line_no, year_of_birth from omop.person "
            "inner join intermediate.int_omop_rows "
            "on omop_table = 'person' and omop_id = person_id"
        ).fetchall()
    named = {
        (manifest.files[file_no].label.rpartition("/")[2], line_no): year
        for file_no, line_no, year in persons
    }
    assert named == extract.births
