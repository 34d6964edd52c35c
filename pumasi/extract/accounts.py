"""What reading a delivery leaves beside tables and quarantine: its counts, and its own row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pumasi.extract.manifest import Manifest


@dataclass
class TableCount:
    """Rows of one source table: in = read + quarantined + ignored + withdrawn.

    `withdrawn` are of persons who withdrew and are not kept; `nulled` counts values. `misread` are
    rows read of which a day or number could not be; a withdrawal leaves this count as it was.
    """

    rows_in: int = 0
    rows_read: int = 0
    rows_quarantined: int = 0
    rows_ignored: int = 0
    rows_withdrawn: int = 0
    values_nulled: int = 0
    rows_misread: int = 0


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
        # Counts up when a withdrawal writes the delivery anew.
        "generation": 1,
    }
    pq.write_table(pa.Table.from_pylist([row]), path)
