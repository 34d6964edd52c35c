"""Writes the file of a new hospital, with the comments that its next reader needs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from pumasi.config.network import parse_site, resolve_url
from pumasi.config.site import FORMATS, SITE_ID_PATTERN, VALUE_COLUMNS
from pumasi.errors import ConfigError

_TAIL = """
# Text values are personal until listed: a value enters only if it is named here.
# [values]
# "{value_column}" = ["positive", "negative"]

# A known defect that this hospital accepts, as a share of the rows that could show it.
# [[thresholds]]
# check = "condition_occurrence.visit_is_delivered"
# limit = 0.05
# reason = "why this is known and accepted"
# decided = 2024-12-31
"""


@dataclass(frozen=True)
class NewSite:
    """What is known of a hospital when it is added; folders as the user wrote them."""

    id: str
    folder: str
    format: str
    as_of: date
    extracted_through: date | None = None
    vocabulary: str | None = None
    name: str | None = None


def new_site_file(site: NewSite, network: Path) -> tuple[Path, str]:
    """Return the path and the content of the site's file; nothing is written.

    Raises `ConfigError` if the id is taken or no id, the format unknown, or a folder not there.
    """
    path = _free_path(site.id, network)
    if site.format not in FORMATS:
        raise ConfigError(f"--format: got {site.format!r}, wants one of {', '.join(FORMATS)}")
    if site.vocabulary is None and site.format != "omop_cdm":
        raise ConfigError(
            f"--vocabulary is missing: {site.format} brings no OMOP vocabulary; "
            "name the folder of one, such as an unpacked download from Athena"
        )
    text = _render(site, network)
    parse_site(text, path)
    return path, text


def _free_path(site_id: str, network: Path) -> Path:
    if not re.fullmatch(SITE_ID_PATTERN, site_id) or site_id == "hub":
        raise ConfigError(
            f"{site_id!r} can't be the id of a site: it is lower-case letters, digits and _, "
            "begins with a letter, and is not hub"
        )
    path = network / f"{site_id}.toml"
    if path.exists():
        raise ConfigError(f"site {site_id!r} exists: edit {path}, or choose another id")
    return path


def _render(site: NewSite, network: Path) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `pumasi site add`; to be edited by hand from now on,"))
    document.add(tomlkit.comment(f"then `pumasi site check {site.id}` and `pumasi site sync`."))
    document.add("name", tomlkit.item(site.name or site.id))
    document.add("format", tomlkit.item(site.format))
    document.add("source", _source(site, network))
    document.add("vocabulary", _vocabulary(site, network))
    return tomlkit.dumps(document) + _TAIL.format(value_column=VALUE_COLUMNS[site.format][-1])


def _source(site: NewSite, network: Path) -> Table:
    source = tomlkit.table()
    source.add(tomlkit.comment("Relative to this file, or ${VARIABLE}/folder, or a URL."))
    source.add("url", _address(site.folder, network, "--folder"))
    source.add(tomlkit.comment("The day the extract was made, and the last day it covers wholly."))
    source.add("as_of", site.as_of)
    source.add("extracted_through", site.extracted_through or site.as_of)
    source.add(
        tomlkit.comment("full: a row that is missing was deleted; incremental: it didn't change.")
    )
    source.add("kind", "full")
    return source


def _vocabulary(site: NewSite, network: Path) -> Table:
    vocabulary = tomlkit.table()
    vocabulary.add("source", "folder" if site.vocabulary else "delivery")
    if site.vocabulary:
        vocabulary.add("url", _address(site.vocabulary, network, "--vocabulary"))
    return vocabulary


def _address(written: str, network: Path, option: str) -> str:
    """Return how the file names the folder, which must be there: no path of one machine."""
    folder = resolve_url(written, Path.cwd())
    if folder.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            f"{option}: a database is no folder; write the file with any folder, then give it "
            'connector = "database" and a section [source.database]: see '
            "docs/users/data-engineer.md"
        )
    if "://" in folder:
        return written
    if not Path(folder).is_dir():
        raise ConfigError(f"{option}: there is no folder {folder}")
    if "${" in written or "://" in written:
        return written
    return os.path.relpath(folder, network)
