"""Rows that name no person though they are about one: they get the person of their record.

With it they follow who withdraws like any other row. The record may have come in this delivery or
in one before it.
"""

from collections.abc import Sequence
from pathlib import Path

from pumasi.extract.contract import Kind, Record, Table
from pumasi.extract.scan import parquet_relation

NO_RECORD = "the record that it is about is not there"


def rows_with_persons(table: Table, rows: str, folders: Sequence[Path]) -> str:
    """SELECT of `rows` with the person of each one's record, and a reason where there is none.

    `folders` hold the raw tables of the deliveries to look in. Of the keys that a row may mean only
    the one that it means is kept: the others would link it to strangers.
    """
    person = next(column.name for column in table.columns if column.kind is Kind.PERSON)
    joins = [_join(record, f"r{n}", folders) for n, record in enumerate(table.about)]
    persons = ", ".join(f"r{n}.person" for n in range(len(table.about)))
    keys = "".join(
        f', case when {record.when} then rows."{record.column}" end as "{record.column}"'
        for record in table.about
    )
    return f"""
        select rows.* replace (
            coalesce({persons}, null) as "{person}",
            coalesce(reason, case when coalesce({persons}, null) is null then '{NO_RECORD}' end)
                as reason
            {keys}
        )
        from {rows} as rows {" ".join(joins)}
    """


def _join(record: Record, alias: str, folders: Sequence[Path]) -> str:
    """Join of the record's person; a key of two persons tells nothing."""
    files = [folder / f"{record.table}.parquet" for folder in folders]
    found = parquet_relation(*(file for file in files if file.is_file()))
    return f"""
        left join (
            select "{record.key}" as key, min(person_id) as person from {found}
            group by "{record.key}" having count(distinct person_id) = 1
        ) as {alias} on {record.when} and rows."{record.column}" = {alias}.key
    """
