"""Great Expectations needs the repair of its DuckDB dialect, and works with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pumasi.config import project_root

# In a process of its own: the repair of this one can't be taken back.
SCRIPT = """
import sys
import duckdb
import great_expectations as gx
import great_expectations.expectations as gxe
from expectations.duckdb import repair

def counts_rows():
    source = gx.get_context(mode="ephemeral").data_sources.add_sql(
        "s", connection_string="duckdb:///" + sys.argv[1]
    )
    batch = source.add_table_asset("t", table_name="t").add_batch_definition_whole_table("b")
    return batch.get_batch().validate(gxe.ExpectTableRowCountToEqual(value=3)).success

with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("create table t as from range(3)")
try:
    broken = not counts_rows()
except Exception:
    broken = True
repair()
repair()
print("without:", "broken" if broken else "works", "with:", "works" if counts_rows() else "broken")
"""


def test_the_repair_is_needed_and_enough(tmp_path: Path) -> None:
    """When this says that it works without: drop expectations/duckdb.py and the exact pin."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "t.duckdb")],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "without: broken with: works"


def test_importing_the_package_does_not_import_great_expectations() -> None:
    """It takes six seconds: Dagster's definitions import the package."""
    code = "import sys, expectations; sys.exit('great_expectations' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=project_root()).returncode == 0
