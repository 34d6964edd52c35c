"""What a delivery's reading leaves beside its tables: counts, quarantine, and the delivery's row.

The quarantine says where a row is and why it was refused; the row itself is kept nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pumasi.extract.manifest import Manifest


@dataclass
class TableCount:
    """Rows of one source table: in = read + quarantined + ignored. `nulled` counts values."""

    rows_in: int = 0
    rows_read: int = 0
    rows_quarantined: int = 0
    rows_ignored: int = 0
    values_nulled: int = 0


@dataclass
class Quarantined:
    """One row that could not be read, by its place.

    `line_no` is the row's number until the row is located in its file; then it is the line,
    `byte_offset` counts the decompressed bytes before it, and `line_hash` is keyed.
    """

    table: str
    file_no: int
    line_no: int
    reason: str
    byte_offset: int | None = None
    line_hash: str | None = None


def write_quarantine(manifest: Manifest, quarantined: Sequence[Quarantined], path: Path) -> None:
    """Write one row per quarantined row; parquet with the same columns if there is none."""
    rows = [
        {
            "delivery_id": manifest.delivery_id,
            "source_table": each.table,
            "file": manifest.files[each.file_no].label,
            "line_no": each.line_no,
            "byte_offset": each.byte_offset,
            "line_hash": each.line_hash,
            "reason": each.reason,
        }
        for each in quarantined
    ]
    types = {
        "delivery_id": pa.string(),
        "source_table": pa.string(),
        "file": pa.string(),
        "line_no": pa.int64(),
        "byte_offset": pa.int64(),
        "line_hash": pa.string(),
        "reason": pa.string(),
    }
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(types)), path)


def write_read_counts(manifest: Manifest, counts: Mapping[str, TableCount], path: Path) -> None:
    """Write one row per source table."""
    rows = [
        {"delivery_id": manifest.delivery_id, "source_table": name, **vars(count)}
        for name, count in counts.items()
    ]
    types = {"delivery_id": pa.string(), "source_table": pa.string()}
    types |= {name: pa.int64() for name in vars(TableCount())}
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(types)), path)


def write_delivery(manifest: Manifest, path: Path) -> None:
    """Write the one row that says what the delivery is."""
    row = {
        "delivery_id": manifest.delivery_id,
        "as_of": manifest.as_of,
        "extracted_through": manifest.extracted_through,
        "kind": manifest.kind,
        "format": manifest.format,
        "format_version": manifest.format_version,
        "source_version": "",
    }
    pq.write_table(pa.Table.from_pylist([row]), path)
