"""The manifest of a delivery: what arrived, when the source says it is from, what was found in it.

It is written once, before anything is read, and holds no row value. Where the file names of a
format carry names of persons (bundles), the manifest holds a hash instead.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pumasi.atomic import write_text


@dataclass(frozen=True)
class SourceFile:
    """One file of a delivery. `path` is relative to its folder; `label` is what may be shown."""

    path: str
    label: str
    container: str
    sha256: str
    bytes: int
    lines: int
    tables: tuple[str, ...]
    extra_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    resource_types: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """One delivery: identity, dates stated by the source or the configuration, files, findings."""

    delivery_id: str
    site: str
    format: str
    format_version: str
    as_of: date
    extracted_through: date
    kind: str
    dates_stated_by: str
    folder: str
    files: tuple[SourceFile, ...]
    unused_files: int
    findings: tuple[str, ...] = ()
    ignored: dict[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the manifest as JSON below `folder`, at once or not at all."""
        text = json.dumps(asdict(self), indent=1, default=str)
        write_text(folder / f"{self.delivery_id}.json", text + "\n")


def load_manifest(path: Path) -> Manifest:
    """The manifest that `save` wrote."""
    said: dict[str, Any] = json.loads(path.read_text())
    files = tuple(_source_file(each) for each in said.pop("files"))
    for key in ("as_of", "extracted_through"):
        said[key] = date.fromisoformat(said[key])
    said["findings"] = tuple(said["findings"])
    return Manifest(files=files, **said)


def _source_file(said: dict[str, Any]) -> SourceFile:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    return SourceFile(**fields)


def load_manifests(folder: Path) -> list[Manifest]:
    """Every manifest of a site, by delivery id."""
    return [load_manifest(path) for path in sorted(folder.glob("*.json"))]


def delivery_id(files: list[tuple[str, int]]) -> str:
    """Identity of a delivery: hash of its files' contents (hash, bytes), whatever their names."""
    text = "\n".join(f"{sha256} {size}" for sha256, size in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
