"""An extract is read in a fifth of its size: 20 GB pass in 4 GB, tried here in proportion."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.config import SitePaths, project_root
from tests.extract.extracts import OMOP, Taken, ndjson, patient, write_files

pytestmark = pytest.mark.slow
MEGABYTE = 1_000_000

# Reads the extract; says by how much its memory grew at most beyond what the program itself takes.
PROGRAM = """
import json, resource, sys
from pathlib import Path
from pumasi.config import SitePaths
from pumasi.extract import discover, pull, read
from tests.extract.extracts import site_of

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

folder, home, form, limit = sys.argv[1:]
config, paths = site_of(folder, form), SitePaths.of("tiny", Path(home))
before = peak()
(delivery,) = discover(config)
manifest = pull(config, delivery, paths)
pulled = peak()
report = read(config, manifest, delivery, paths, memory_limit=f"{int(limit) // 1000}KB")
tables = {name: vars(count) for name, count in report.tables.items() if count.rows_in}
print(json.dumps({"pull": pulled - before, "read": peak() - before, "tables": tables}))
"""


def run(folder: Path, home: Path, form: str, limit: int) -> dict[str, Any]:
    """What the program says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(home), form, str(limit)],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def copy_rows(query: str, path: Path) -> None:
    """Write the rows of the query as lines."""
    with duckdb.connect() as connection:
        kind = "json" if path.suffix == ".ndjson" else "csv"
        connection.execute(f"copy ({query}) to '{path}' (format {kind})")


def with_bad_lines(path: Path, bad: bytes, every: int) -> list[tuple[int, int]]:
    """Put `bad` before every so many bytes, at the next line; where they are then: line, offset."""
    places = []
    source = path.with_suffix(".part")
    path.rename(source)
    line, offset, next_at = 0, 0, every
    with source.open("rb") as lines, path.open("wb") as target:
        for text in lines:
            if offset >= next_at:
                places.append((line + 1, offset))
                target.write(bad)
                line, offset, next_at = line + 1, offset + len(bad), next_at + every
            target.write(text)
            line, offset = line + 1, offset + len(text)
    source.unlink()
    return places


def large_csv(folder: Path, size: int) -> tuple[str, str, int, list[tuple[int, int]]]:
    write_files(folder, {name: OMOP[name] for name in ("person.csv", "observation_period.csv")})
    rows = size // 448
    copy_rows(
        "select i as measurement_id, 101 + i % 3 as person_id, "
        "3025315 as measurement_concept_id, date '2010-01-01' + (i % 3000)::integer as "
        "measurement_date, i / 7.0 as value_as_number, i // 10 as visit_occurrence_id, "
        "'29463-7' as measurement_source_value, null as value_as_concept_id, "
        "null as unit_concept_id, 'kg' as unit_source_value, '' as value_source_value, "
        "repeat(md5(i::varchar), 12) as note "
        f"from range({rows}) r(i)",
        folder / "measurement.csv",
    )
    bad = b'1,101,3025315,2020-01-01,"a \xff note\n'.replace(b'"', b"")
    return (
        "omop_cdm",
        "measurement",
        rows,
        with_bad_lines(folder / "measurement.csv", bad, size // 9),
    )


def large_ndjson(folder: Path, size: int) -> tuple[str, str, int, list[tuple[int, int]]]:
    write_files(folder, {"Patient.ndjson": ndjson(*(patient(f"p{i}") for i in range(3)))})
    rows = size // 516
    copy_rows(
        "select 'Observation' as resourceType, 'o' || i as id, 'final' as status, "
        "{'coding': [{'system': 'http://loinc.org', 'code': '29463-7'}]} as code, "
        "{'reference': 'Patient/p' || i % 3} as subject, "
        "'2019-01-02T10:20:30+09:00' as effectiveDateTime, "
        "{'value': i / 7.0, 'unit': 'kg'} as valueQuantity, "
        f"repeat(md5(i::varchar), 8) as note from range({rows}) r(i)",
        folder / "Observation.ndjson",
    )
    path = folder / "Observation.ndjson"
    return "fhir_r4", "observation", rows, with_bad_lines(path, b'{"id": "\xff"}\n', size // 9)


# A structure of FHIR takes DuckDB about 100 MB however long the file is, so its fifth is larger.
@pytest.mark.parametrize(("make", "megabytes"), [(large_csv, 350), (large_ndjson, 600)])
def test_an_extract_passes_in_a_fifth_of_its_size(
    tmp_path: Path,
    make: Callable[[Path, int], tuple[str, str, int, list[tuple[int, int]]]],
    megabytes: int,
) -> None:
    folder = tmp_path / "extract"
    folder.mkdir()
    wanted = megabytes * MEGABYTE
    form, table, rows, bad = make(folder, wanted)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert 0.9 * wanted < size < 1.2 * wanted
    limit = size // 5
    said = run(folder, tmp_path / "home", form, limit)
    assert said["pull"] < 40 * MEGABYTE
    # DuckDB's limit doesn't cover all that it takes; what is beyond it doesn't grow with the file.
    assert said["read"] < limit + 130 * MEGABYTE
    count = said["tables"][table]
    assert (count["rows_read"], count["rows_quarantined"]) == (rows, len(bad))
    # Line numbers and offsets are right across the borders of buffers and of threads.
    paths = SitePaths.of("tiny", tmp_path / "home")
    taken = Taken(paths, [], [])
    assert len(bad) >= 8
    assert taken.quarantine("line_no, byte_offset") == bad
    with duckdb.connect() as connection:
        lines = connection.execute(
            "select count(*), count(distinct line_no), min(line_no), max(line_no) "
            "from read_parquet($1)",
            [str(paths.raw / "*" / f"{table}.parquet")],
        ).fetchall()
    header = 1 if form == "omop_cdm" else 0
    assert lines == [(rows, rows, 1 + header, rows + len(bad) + header)]


def test_an_extract_of_which_little_can_be_read_passes_in_the_same_memory(tmp_path: Path) -> None:
    """Where each row is, and why it was refused, takes a kilobyte in Python: not all at once."""
    folder = write_files(tmp_path / "extract", OMOP)
    with (folder / "condition_occurrence.csv").open("a") as stream:
        for number in range(600_000):
            stream.write(f"{number},101,317009,2015-02,,32020,,501,195967001\n")
    limit = 100 * MEGABYTE
    said = run(folder, tmp_path / "home", "omop_cdm", limit)
    count = said["tables"]["condition_occurrence"]
    assert (count["rows_read"], count["rows_quarantined"]) == (4, 600_000)
    assert said["read"] < limit + 130 * MEGABYTE
    taken = Taken(SitePaths.of("tiny", tmp_path / "home"), [], [])
    with duckdb.connect() as connection:
        lines = connection.execute(
            "select count(*), count(distinct line_no), min(line_no), max(line_no), "
            "count(distinct byte_offset), count(line_hash) from read_parquet($1)",
            [str(taken.paths.quarantine / "*.parquet")],
        ).fetchall()
    assert lines == [(600_000, 600_000, 6, 600_005, 600_000, 600_000)]
