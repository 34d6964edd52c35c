"""The floor: the least that any pipeline on DuckDB must do: `python -m benchmarks.floor FILE`.

DuckDB, 2 threads, reads every source file that the pipeline uses and writes each once as zstd
parquet: text columns of CSV, JSON documents of NDJSON, tables of parquet and DuckDB files as they
are. No types, keys or checks. The vocabulary is not counted, although the pipeline reads it too.
Writes to FILE the seconds that it took, without the start of Python.
"""

import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb

from pumasi.config import SiteConfig, SitePaths, get_site
from pumasi.extract import discover
from pumasi.extract.manifest import SourceFile, load_manifests

THREADS = 2


def write_floor(config: SiteConfig, paths: SitePaths, target: Path) -> None:
    """Write the source files of the site's only delivery, which was pulled before, to `target`."""
    target.mkdir(parents=True)
    (delivery,) = discover(config)
    (manifest,) = load_manifests(paths.deliveries)
    with (
        duckdb.connect(config={"threads": THREADS}) as connection,
        delivery.files(target / "landing") as files,
    ):
        number = count()
        for file in manifest.files:
            for relation in _relations(connection, file, files[file.path]):
                connection.execute(
                    f"copy (from {relation}) to '{target}/{next(number)}.parquet' "
                    "(format parquet, compression zstd)"
                )


def _relations(
    connection: duckdb.DuckDBPyConnection, file: SourceFile, path: Path
) -> Iterator[str]:
    """SQL of what the file holds."""
    match file.container:
        case "csv":
            yield f"read_csv('{path}', all_varchar = true, header = true)"
        case "ndjson":
            yield f"read_ndjson_objects('{path}')"
        case "parquet":
            yield f"read_parquet('{path}')"
        case "duckdb":
            connection.execute(f"attach '{path}' as source (read_only)")
            yield from (f"source.{table}" for table in file.tables)


if __name__ == "__main__":
    (file,) = sys.argv[1:]
    site = get_site()
    folders = SitePaths.of(site.id)
    began = time.monotonic()
    write_floor(site, folders, folders.root / "floor")
    Path(file).write_text(str(time.monotonic() - began))
