"""Extracts as plain Python reads them: how many rows, whose identifiers, who was born when.

Nothing of `pumasi.extract` is used here: what the readers say is held against this.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TextIO

RESOURCE_TYPE = re.compile(r'"resourceType":\s*"(\w+)"')
# What other resources hold is counted, not looked into.
WITH_IDENTIFIERS = {"Patient", "Encounter", "Practitioner"}


@dataclass
class Extract:
    """Rows per entity (file stem or resource type), birth years, identifiers by kind.

    `births` maps (file name, line from 1) of a person's row to the year of birth. `numbers` are
    person and visit ids that are plain integers: as words they could be anything, so they are held
    against the warehouse's ids instead of searched for.
    """

    rows: Counter[str] = field(default_factory=Counter)
    births: dict[tuple[str, int], int] = field(default_factory=dict)
    identifiers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    numbers: set[int] = field(default_factory=set)

    def note(self, kind: str, *values: str | None) -> None:
        """Add identifiers of a kind; what is shorter than six characters can't be searched for."""
        for value in values:
            if value and value.isdigit() and kind.endswith(" ids"):
                self.numbers.add(int(value))
            elif value and len(value) >= 6:
                self.identifiers[kind].add(value)


@cache
def extract_of(folder: Path) -> Extract:
    """Read every file of an extract once."""
    found = Extract()
    for name, stream in _files(folder):
        if ".ndjson" in name:
            _resources(found, name, stream)
        else:
            _rows(found, name, stream)
    return found


def _files(folder: Path) -> Iterator[tuple[str, TextIO]]:
    """Name and text of every data file, those in zips too."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
                yield path.name, stream
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if member.endswith(".csv") and not member.startswith("__MACOSX"):
                        with archive.open(member) as opened:
                            yield member, io.TextIOWrapper(opened, encoding="utf-8", newline="")


def _rows(found: Extract, name: str, stream: TextIO) -> None:
    entity = name.lower().split(".")[0]
    reader = csv.DictReader(stream)
    reader.fieldnames = [column.lower() for column in reader.fieldnames or ()]
    for row in reader:
        found.rows[entity] += 1
        if entity in ("person", "patients"):
            year = row.get("year_of_birth") or row["birthdate"][:4]
            found.births[name, reader.line_num] = int(year)
        _identify_row(found, entity, row)


def _identify_row(found: Extract, entity: str, row: dict[str, str]) -> None:
    match entity:
        case "person":
            found.note("person ids", row["person_id"], row["person_source_value"])
        case "visit_occurrence":
            found.note("visit ids", row["visit_occurrence_id"], row["visit_source_value"])
        case "provider":
            found.note("full names", row["provider_name"])
        case "patients":
            found.note("person ids", row["id"])
            found.note("id numbers", row["ssn"], row["drivers"], row["passport"])
            found.note("full names", f"{row['first']} {row['last']}")
            # Synthea numbers its names: each part is found alone.
            found.note("names", row["first"], row["last"], row["maiden"])
            found.note("address lines", row["address"])
        case "encounters":
            found.note("visit ids", row["id"])
        case "providers":
            found.note("full names", row["name"])


def _resources(found: Extract, name: str, stream: TextIO) -> None:
    for line_no, line in enumerate(stream, start=1):
        matched = RESOURCE_TYPE.search(line)
        assert matched is not None
        entity = matched.group(1)
        found.rows[entity] += 1
        if entity in WITH_IDENTIFIERS:
            resource = json.loads(line)
            if entity == "Patient":
                found.births[name, line_no] = int(resource["birthDate"][:4])
            _identify_resource(found, entity, resource)


def _identify_resource(found: Extract, entity: str, resource: dict[str, Any]) -> None:
    if entity == "Encounter":
        found.note("visit ids", resource["id"])
        return
    if entity == "Patient":
        found.note("person ids", resource["id"])
    found.note("id numbers", *(each["value"] for each in resource.get("identifier", ())))
    for each in resource.get("name", ()):
        found.note("full names", f"{' '.join(each['given'])} {each['family']}")
    for each in resource.get("extension", ()):
        if each["url"].endswith("patient-mothersMaidenName"):
            found.note("full names", each["valueString"])
    if entity == "Patient":  # a practitioner's is the address of a clinic
        for each in resource.get("address", ()):
            found.note("address lines", *each.get("line", ()))
        found.note("phone numbers and e-mail", *(t["value"] for t in resource.get("telecom", ())))
