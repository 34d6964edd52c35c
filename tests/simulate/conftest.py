"""One simulated network, taken to its marts in both ways: by files, and straight from the record.

It is built once for all tests that ask for it; what a hospital's way through files needs (dbt
compiling the project for its format) is done when the hospital is first asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import duckdb
import pytest

from pumasi.compiled import compile_project
from pumasi.config import get_site, project_root
from pumasi.config.site import SourceConfig
from pumasi.extract.pseudonym import load_or_create_key
from pumasi.simulate import World, cuts, read_truth, simulate
from pumasi.simulate.direct import Workshop, hospital_marts, workshop
from pumasi.simulate.record import Record
from tests.hospital import ingest

# Fabry disease as common at every hospital, or the clinics would have no case among 200 persons.
WORLD = World(preset="demo", scale=0.04, label_shift=False)


@dataclass(frozen=True)
class Ways:
    """A hospital's marts in two warehouses, and the key that both took for its pseudonyms."""

    files: duckdb.DuckDBPyConnection
    direct: duckdb.DuckDBPyConnection
    key: bytes


@dataclass
class Network:
    """The network on disk: deliveries, truth, and what its marts are made with."""

    folder: Path
    record: Record
    made_with: Workshop
    built: dict[str, Ways] = field(default_factory=dict)

    def ways(self, hospital: str) -> Ways:
        """Return the hospital's warehouses, with the settings that the network ships with."""
        if hospital not in self.built:
            self.built[hospital] = self._build(hospital)
        return self.built[hospital]

    def _build(self, hospital: str) -> Ways:
        site = get_site(hospital, project_root() / "network")
        source = SourceConfig(url=str(self.folder / "deliveries" / hospital), kind="full")
        paths = ingest(site.model_copy(update={"source": source}), self.folder / "home")
        project = self.made_with.project
        if site.format != "omop_cdm":
            project = compile_project(site.format, self.folder / site.format)
        key = load_or_create_key(paths.key, create=False)
        direct = hospital_marts(self.made_with, self.record, hospital, cuts(WORLD)[-1], key)
        return Ways(project.build(paths), direct, key)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """About 1,900 persons in four hospitals."""
    folder = tmp_path_factory.mktemp("network")
    simulate(WORLD, folder / "deliveries", folder / "truth")
    tables = {f.name: read_truth(folder / "truth", f"record_{f.name}") for f in fields(Record)}
    network = Network(folder, Record(**tables), workshop(folder / "workshop"))
    yield network
    for ways in network.built.values():
        ways.files.close()
        ways.direct.close()
