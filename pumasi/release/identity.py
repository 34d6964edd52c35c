"""What a release is, as one id: the content of its tables and what made them.

The same rows, in any order, transformed by the same code with the same vocabulary, give the same id
on any machine that has the same pseudonymisation key. Delivery ids, times and run ids are not part
of it: a delivery's id hashes its files, which change when rows change places.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pumasi.errors import ReleaseError

# Of the manifest and the seal; raised when their form or the content hash changes.
SCHEMA_VERSION = 1
ID_DIGITS = 16

_TRANSFORMING = ("models", "macros", "seeds")


def release_id(
    tables: Mapping[str, str], transformation: str, vocabulary: str, broken_step: str | None
) -> str:
    """Return the id: 16 hex digits. `tables` maps a table's name to the hash of its content."""
    parts = {
        "schema_version": SCHEMA_VERSION,
        "tables": dict(tables),
        "transformation": transformation,
        "vocabulary": vocabulary,
        "broken_step": broken_step,
    }
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def transformation_hash(project_dir: Path) -> str:
    """Return the hash of the dbt project: `dbt_project.yml`, models, macros and seeds.

    File names count, times and the place of the project don't. Raises ReleaseError when the folder
    is no dbt project.
    """
    if not (project_dir / "dbt_project.yml").is_file():
        raise ReleaseError(f"no dbt_project.yml in {project_dir.name}: name the dbt project")
    digest = hashlib.sha256()
    for path in sorted(_transforming_files(project_dir)):
        name = path.relative_to(project_dir).as_posix()
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{len(name)}:{name}{content}\n".encode())
    return digest.hexdigest()


def vocabulary_hash(vocabulary: Path) -> str:
    """Return the hash in the vocabulary's manifest; raise ReleaseError when there is none."""
    try:
        return str(json.loads((vocabulary / "manifest.json").read_text(encoding="utf-8"))["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ReleaseError(
            "the vocabulary has no manifest.json with a hash: load the vocabulary again"
        ) from None


def _transforming_files(project_dir: Path) -> Iterator[Path]:
    yield project_dir / "dbt_project.yml"
    for folder in _TRANSFORMING:
        for path in (project_dir / folder).rglob("*"):
            hidden = any(
                part.startswith((".", "__pycache__"))
                for part in path.relative_to(project_dir).parts
            )
            if path.is_file() and not hidden:
                yield path
