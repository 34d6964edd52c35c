"""What is written about a release: the manifest of its tables, and the seals set on it.

The manifest belongs to the content and is written once. A seal is one build that ended in this
content: when, from which deliveries, by which run, with which outcomes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pumasi.quality.outcome import Outcome
from pumasi.release.identity import release_id

# The hospital's key also makes pseudonyms: what is signed must never be what is pseudonymised.
_DOMAIN = b"seal:"


@dataclass(frozen=True)
class TableEntry:
    """One table of a release: rows, bytes and SHA-256 of its file, and the hash of its content."""

    rows: int
    bytes: int
    sha256: str
    content: str


@dataclass(frozen=True)
class Manifest:
    """What a release is: its tables, and what made them. A broken build has no tables."""

    schema_version: int
    transformation: str
    vocabulary: str
    broken_step: str | None
    tables: Mapping[str, TableEntry]

    @property
    def release_id(self) -> str:
        """The id that follows from the manifest."""
        content = {name: entry.content for name, entry in self.tables.items()}
        return release_id(content, self.transformation, self.vocabulary, self.broken_step)

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as JSON values."""
        return {"release_id": self.release_id, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Manifest:
        """Return the manifest that `to_dict` wrote."""
        tables = {name: TableEntry(**entry) for name, entry in values["tables"].items()}
        rest = {key: values[key] for key in values if key not in ("release_id", "tables")}
        return cls(tables=tables, **rest)


@dataclass(frozen=True)
class Provenance:
    """Who made a build: the run, and the versions of what took part (name -> version)."""

    run_id: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seal:
    """One build that ended in a release. `number` rises over all releases of a site.

    `accounting` holds the candidate's accounting tables as lists of rows: deliveries, fates as
    counts, lost references, read counts; `characterisation_sha256` is of the file that lies beside
    the seal. `candidate` is the id of the candidate that was sealed. A broken build
    has neither; it says where it broke and the class of the error, never its message, which may
    quote a row.
    """

    number: int
    release_id: str
    sealed_at: datetime
    provenance: Provenance
    accounting: Mapping[str, list[dict[str, Any]]]
    outcomes: tuple[Outcome, ...]
    broken_step: str | None
    error_class: str | None
    candidate: str | None
    manifest_sha256: str
    # Seals of before there were characterisations have none.
    characterisation_sha256: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the seal as JSON values."""
        values = {**self.__dict__}
        values["sealed_at"] = self.sealed_at.isoformat()
        values["provenance"] = asdict(self.provenance)
        values["accounting"] = dict(self.accounting)
        values["outcomes"] = [outcome.to_dict() for outcome in self.outcomes]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Seal:
        """Return the seal that `to_dict` wrote."""
        return cls(
            **{
                **values,
                "sealed_at": datetime.fromisoformat(values["sealed_at"]),
                "provenance": Provenance(**values["provenance"]),
                "outcomes": tuple(Outcome.from_dict(outcome) for outcome in values["outcomes"]),
            }
        )


def signature(record: Mapping[str, Any], key_file: Path) -> str | None:
    """Return HMAC-SHA-256 over the record's canonical JSON, as hex; None for a site without key."""
    if not key_file.is_file():
        return None
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key_file.read_bytes(), _DOMAIN + text.encode(), hashlib.sha256).hexdigest()


def signature_problem(record: Mapping[str, Any], found: object, key_file: Path) -> str | None:
    """Say what is wrong with a record's signature, None if nothing.

    A site with a key takes nothing unsigned.
    """
    expected = signature(record, key_file)
    if expected is None:
        return None if found is None else "signed, but the site's key is gone: bring back the key"
    if isinstance(found, str) and hmac.compare_digest(found, expected):
        return None
    return "not signed with this site's key, or changed since"
