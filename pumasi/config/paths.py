"""Where things are: the project, the network folder, and the folders of a site at run time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def project_root() -> Path:
    """Return the folder that holds `pyproject.toml`, `dbt_project` and `network`."""
    return Path(__file__).resolve().parents[2]


def home_folder() -> Path:
    """Return the folder of everything written at run time: PUMASI_HOME, else `var`; absolute."""
    return _from_environment("PUMASI_HOME", project_root() / "var")


def hub_folder() -> Path:
    """Return the folder of what the coordinator writes at run time: `hub` below PUMASI_HOME."""
    return home_folder() / "hub"


def network_folder() -> Path:
    """Return the folder of the site files: PUMASI_NETWORK, else `network`; absolute."""
    return _from_environment("PUMASI_NETWORK", project_root() / "network")


def _from_environment(variable: str, default: Path) -> Path:
    value = os.environ.get(variable)
    return Path(value).expanduser().resolve() if value else default


@dataclass(frozen=True)
class SitePaths:
    """The folders and files of one site under PUMASI_HOME. Naming one doesn't make it."""

    root: Path

    @classmethod
    def of(cls, site_id: str, home: Path | None = None) -> SitePaths:
        """Return the paths of the site; `home` defaults to PUMASI_HOME."""
        return cls((home or home_folder()).resolve() / "sites" / site_id)

    @property
    def deliveries(self) -> Path:
        """Manifests of deliveries."""
        return self.root / "deliveries"

    @property
    def quarantine(self) -> Path:
        """What could not be read, one parquet file per delivery."""
        return self.root / "quarantine"

    @property
    def raw(self) -> Path:
        """Typed, pseudonymised parquet, one folder per delivery; complete or absent."""
        return self.root / "raw"

    @property
    def reading(self) -> Path:
        """Deliveries that are being read: becomes a folder of `raw` by rename."""
        return self.root / "reading"

    @property
    def landing(self) -> Path:
        """What a connector brought and was not read yet, and how far each delivery reached."""
        return self.root / "landing"

    @property
    def tombstones(self) -> Path:
        """Keyed hashes of the persons who withdrew."""
        return self.root / "tombstones.json"

    @property
    def vocabulary(self) -> Path:
        """The nine OMOP vocabulary tables as parquet."""
        return self.root / "vocabulary"

    @property
    def dbt_target(self) -> Path:
        """Target folder of dbt for this site."""
        return self.root / "dbt_target"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def candidate(self) -> Path:
        """Tables written for checking, before they are sealed."""
        return self.root / "candidate"

    @property
    def offenders(self) -> Path:
        """Keys of rows that violate the checks of the latest candidate; they stay here."""
        return self.root / "offenders.csv"

    @property
    def data_docs(self) -> Path:
        """Pages of Great Expectations on the candidate, made when asked for."""
        return self.root / "data_docs"

    @property
    def releases(self) -> Path:
        """Sealed releases."""
        return self.root / "releases"

    @property
    def models(self) -> Path:
        """Trained models."""
        return self.root / "models"

    @property
    def network_models(self) -> Path:
        """Models of the network as the hub handed them over, and how they do here."""
        return self.root / "network_models"

    @property
    def audit_log(self) -> Path:
        """What was decided here and for whom, one JSON object a line; only ever added to."""
        return self.root / "audit.log"

    @property
    def approvals(self) -> Path:
        """What the data steward signed, one file each."""
        return self.root / "approvals"

    @property
    def steward_key(self) -> Path:
        """The public part of the data steward's key."""
        return self.root / "keys" / "steward.pub"

    @property
    def mask_key(self) -> Path:
        """The hospital's own key of masks, a file of mode 0600."""
        return self.root / "keys" / "mask.key"

    @property
    def peers(self) -> Path:
        """The hospital's own copy of the list of hospitals, as the hub signed it."""
        return self.root / "keys" / "peers.json"

    @property
    def hub_key(self) -> Path:
        """The public part of the hub's key, kept from the first enrolment on."""
        return self.root / "keys" / "hub.pub"

    @property
    def card(self) -> Path:
        """The public parts of the hospital's keys: what the hub gets."""
        return self.root / "keys" / "card.json"

    @property
    def relay(self) -> Path:
        """What the relay's user needs: the node's key, the hub's certificate; nothing else."""
        return self.root / "relay"

    @property
    def socket(self) -> Path:
        """Where the hospital's process answers, unless it is told otherwise."""
        return self.root / "answer" / "socket"

    @property
    def answers(self) -> Path:
        """What was answered, and of whom: an SQLite file that stays here."""
        return self.root / "answers.sqlite"

    @property
    def key(self) -> Path:
        """The hospital's pseudonymisation key, a file of mode 0600."""
        return self.root / "keys" / "pseudonym.key"
