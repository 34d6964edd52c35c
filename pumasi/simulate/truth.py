"""The truth of a simulation: what no hospital knows, in a folder that no pipeline code reads.

One folder per table, one parquet file per chunk in it: the tables of the life (potential outcomes
among them, in `life_asthma_months`), and of the record in concept ids, with every version of every
row and the hospital that wrote it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from pumasi.atomic import write_text
from pumasi.simulate.life import Life
from pumasi.simulate.record import Record
from pumasi.simulate.world import Chunk, World

# What was simulated, written when all of it is there.
WORLD_FILE = "world.json"


def write_truth(life: Life, record: Record, chunk: Chunk, folder: Path) -> None:
    """Write one chunk of the truth; the same tables give the same bytes."""
    every = {f"life_{name}": table for name, table in life.tables().items() if table.num_columns}
    every |= {f"record_{name}": table for name, table in record.tables().items()}
    for name, table in every.items():
        path = folder / name / f"{chunk.hospital}_{chunk.number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path, compression="zstd")


def read_truth(folder: Path, table: str) -> pa.Table:
    """Return a table of the truth (`life_persons`, `record_conditions`, …), all chunks of it."""
    files = sorted((folder / table).glob("*.parquet"))
    return pa.concat_tables(
        [parquet.read_table(file) for file in files], promote_options="permissive"
    )


def world_text(world: World) -> str:
    """Return the world's switches as JSON."""
    return json.dumps(asdict(world), indent=1, sort_keys=True) + "\n"


def write_world(world: World, folder: Path) -> None:
    """Say which world the truth is of: the last file that a run writes."""
    write_text(folder / WORLD_FILE, world_text(world))


def is_of(world: World, folder: Path) -> bool:
    """Return whether the truth in `folder` is whole and of this world."""
    path = folder / WORLD_FILE
    return path.exists() and path.read_text(encoding="utf-8") == world_text(world)
