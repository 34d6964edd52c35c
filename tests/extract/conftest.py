"""The shared data sets, each read once for all tests that look at the result."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pumasi.config import get_site, project_root
from tests.extract.extracts import Taken, site_of, take_in

# Folder below the shared data, format, day of the extract.
SETS = {
    "gibleed_csv": ("gibleed_omop53", "omop_cdm", date(2019, 7, 3)),
    "nj": ("synthea27nj_omop54", "omop_cdm", date(2022, 10, 10)),
    "smart": ("smart_fhir_r4", "fhir_r4", date(2019, 12, 31)),
    "tietai": ("tietai_fhir_r4", "fhir_r4", date(2025, 12, 31)),
    "synthea": ("synthea_csv_27", "synthea_csv", date(2024, 2, 1)),
}


@pytest.fixture(scope="session")
def shared_set(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Taken]:
    """What reading a shared data set gave, by the names above; `gibleed` is the package's file."""
    read_before: dict[str, Taken] = {}

    def taken(name: str) -> Taken:
        if name not in read_before:
            if name == "gibleed":
                config = get_site("gibleed", project_root() / "examples" / "gibleed")
            else:
                folder, form, as_of = SETS[name]
                config = site_of(shared_data / folder, form, as_of)
            read_before[name] = take_in(config, tmp_path_factory.mktemp(name))
        return read_before[name]

    return taken
