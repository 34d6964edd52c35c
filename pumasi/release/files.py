"""Folders that are seen whole or not at all, and hashes of files.

Everything is written under a name that begins with a dot, forced to the disk, and then renamed.
What begins with a dot is never read, and is cleared away by the next write.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from pumasi.atomic import sync_folder, write_text


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, in ASCII whatever the locale, to `path`, at once."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def empty_folder(path: Path) -> Path:
    """Return `path` as a new, empty folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def publish_folder(new: Path, target: Path) -> None:
    """Rename the folder `new`, forced to the disk before, to `target`, which takes its place.

    A rename can't replace a folder that has files, so an old `target` steps aside first: killed
    right between the two renames there is none, and never a mixture.
    """
    for path in new.rglob("*"):
        sync_folder(path)
    sync_folder(new)
    aside = target.with_name(f".{target.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if target.exists():
        target.rename(aside)
    new.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
