"""The property files of dbt's CDM models, written from the specification.

`python -m pumasi.omop.model_yml` writes one file beside each model of `dbt_project/models/omop`:
columns in the specification's order with their types, and data tests. Required fields are
`not_null`, keys besides `unique`, references to another table of persons `relationships`. A table
without a source in any format has its contract alone, for there is nothing to test; so has what
the vocabulary delivers, but for its keys: all else is counted set-wise by `pumasi.quality`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pumasi.config import project_root
from pumasi.omop.cdm import CdmField, CdmTable, cdm_tables
from pumasi.omop.sources import has_source

# One row per dead person is our promise; the specification names no key of death.
_UNIQUE_BESIDES = frozenset({("death", "person_id")})
# Who and where stays as delivered: it tells rows apart also where nothing more is delivered of it,
# and what it leads to is about many persons. The catalogue counts what leads nowhere.
_KEPT_AS_DELIVERED = frozenset({"location", "care_site", "provider"})
# Words of SQL: as a name of a column they must be quoted.
_RESERVED = frozenset({"offset"})
_TYPES = {"integer": "integer", "float": "double", "date": "date", "datetime": "timestamp"}


def model_file(table: CdmTable) -> Path:
    """The property file of the table's model, relative to the project's root."""
    folder = Path("dbt_project/models/omop")
    return (folder / "vocabulary" if table.schema == "VOCAB" else folder) / f"{table.name}.yml"


def model_yml(table: CdmTable) -> str:
    """Return the text of the table's property file."""
    lines = [
        "# Written by `python -m pumasi.omop.model_yml` from pumasi/omop: change it there.",
        "models:",
        f"  - name: {table.name}",
        "    description: >",
        f"      {table.description}",
        "    columns:",
    ]
    for field in table.fields:
        lines += _column(table, field)
    return "\n".join(lines) + "\n"


def column_type(field: CdmField) -> str:
    """The field's type in the warehouse; a key is a hash of 63 bits, a concept's id is not."""
    if field.data_type.startswith("varchar"):
        return "varchar"
    names_concept = field.foreign_table == "concept" or "concept_id" in field.name
    is_key = field.name.endswith("_id") or field.name.startswith("fact_id_")
    if field.data_type == "integer" and is_key and not names_concept:
        return "bigint"
    return _TYPES[field.data_type]


def _column(table: CdmTable, field: CdmField) -> Iterator[str]:
    yield f"      - name: {field.name}"
    if field.name in _RESERVED:
        yield "        quote: true"
    yield f"        data_type: {column_type(field)}"
    description = _description(field)
    if description:
        # JSON's strings are YAML's.
        yield f"        description: {json.dumps(description)}"
    tests = list(_data_tests(table, field))
    if tests:
        yield "        data_tests:"
        yield from (f"          {line}" for line in tests)


def _description(field: CdmField) -> str:
    return f"Always empty: {field.always_empty}" if field.always_empty else field.description


def _data_tests(table: CdmTable, field: CdmField) -> Iterator[str]:
    if not has_source(table.name) or field.always_empty:
        return
    if field.primary_key or (field.required and table.schema != "VOCAB"):
        yield "- not_null"
    if field.primary_key or (table.name, field.name) in _UNIQUE_BESIDES:
        yield "- unique"
    other = cdm_tables().get(field.foreign_table or "")
    if other and _is_guarded(other):
        yield "- relationships:"
        yield "    arguments:"
        yield f"      to: ref('{other.name}')"
        yield f"      field: {field.foreign_field}"


def _is_guarded(other: CdmTable) -> bool:
    is_data = other.schema != "VOCAB" and has_source(other.name)
    return is_data and other.name not in _KEPT_AS_DELIVERED


def write_model_yml(root: Path) -> None:
    """Write the property file of every table below the project's root."""
    for table in cdm_tables().values():
        (root / model_file(table)).write_text(model_yml(table), encoding="utf-8")


if __name__ == "__main__":
    write_model_yml(project_root())
