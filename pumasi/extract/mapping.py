"""The hospital's own mapping table: what its codes mean, in the layout of source_to_concept_map.

It is small, written by people, and every study rests on it: a mistake is refused with file, line
and column, before anything is built. Targets are looked up in the vocabulary that the site reads.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pumasi.errors import DeliveryError

COLUMNS = (
    "source_code",
    "source_concept_id",
    "source_vocabulary_id",
    "source_code_description",
    "target_concept_id",
    "target_vocabulary_id",
    "valid_start_date",
    "valid_end_date",
    "invalid_reason",
)
NEEDED = ("source_code", "source_vocabulary_id", "target_concept_id")
DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")
# Vocabularies whose codes are written with a dot after three characters, or without any.
DOTTED = ("KCD7", "KCD8", "ICD10")


@dataclass(frozen=True)
class Mapped:
    """One row that counts; target 0 says that somebody looked and found no concept."""

    source_code: str
    source_concept_id: int
    source_vocabulary_id: str
    source_code_description: str | None
    target_concept_id: int


def read_mapping(path: Path, targets: Mapping[int, bool]) -> list[Mapped]:
    """The rows of the table that count, in its order; rows with an invalid_reason do not.

    Args:
        path: the CSV file, in UTF-8.
        targets: the concepts of the site's vocabulary, and whether each is standard.

    Raises:
        DeliveryError: naming file, line and column, and what is wanted there.
    """
    rows: dict[tuple[str, str, int], int] = {}
    found = []
    for line, row in _rows(path):
        if row.get("invalid_reason"):
            continue
        mapped = _mapped(path, line, row, targets)
        key = (mapped.source_vocabulary_id, mapped.source_code, mapped.target_concept_id)
        if key in rows:
            raise _wrong(path, line, "source_code", f"says what line {rows[key]} says; keep one")
        rows[key] = line
        found.append(mapped)
    _check_zero_alone(path, found, rows)
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and trimmed values by column, from the second line on."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        raise DeliveryError(
            f"there is no mapping table {path}; mend `mapping.url` in the hospital's configuration"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DeliveryError(f"{path.name}, line {line}: not UTF-8; save it as UTF-8") from None
    reader = csv.DictReader(text.splitlines(), restkey="more")
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    for name in COLUMNS:
        if name not in header:
            raise DeliveryError(
                f"{path.name}, line 1: column {name} is missing; wants {', '.join(COLUMNS)}"
            )
    for row in reader:
        if "more" in row or None in row.values():
            raise DeliveryError(
                f"{path.name}, line {reader.line_num}: wants {len(header)} columns as the header; "
                "put a description with a comma into quotation marks"
            )
        yield reader.line_num, {name: value.strip() for name, value in row.items()}


def _mapped(path: Path, line: int, row: Mapping[str, str], targets: Mapping[int, bool]) -> Mapped:
    for name in NEEDED:
        if not row[name]:
            raise _wrong(path, line, name, "is empty")
    for name in ("valid_start_date", "valid_end_date"):
        if row[name] and not DAY.fullmatch(row[name]):
            raise _wrong(path, line, name, "wants a day such as 2024-12-31")
    target = _number(path, line, "target_concept_id", row["target_concept_id"])
    if target and target not in targets:
        raise _wrong(path, line, "target_concept_id", "is no concept of the site's vocabulary")
    if target and not targets[target]:
        raise _wrong(
            path, line, "target_concept_id", "is no standard concept; wants what it maps to"
        )
    vocabulary = row["source_vocabulary_id"]
    return Mapped(
        source_code=with_dot(row["source_code"]) if vocabulary in DOTTED else row["source_code"],
        source_concept_id=_number(path, line, "source_concept_id", row["source_concept_id"] or "0"),
        source_vocabulary_id=vocabulary,
        source_code_description=row["source_code_description"] or None,
        target_concept_id=target,
    )


def with_dot(code: str) -> str:
    """The code in capitals, with a dot after the third character: j459 -> J45.9."""
    bare = code.replace(".", "").upper()
    return f"{bare[:3]}.{bare[3:]}" if len(bare) > 3 else bare


def _number(path: Path, line: int, column: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text):
        raise _wrong(path, line, column, "wants the number of a concept, 0 for none")
    return int(text)


def _check_zero_alone(
    path: Path, found: list[Mapped], lines: Mapping[tuple[str, str, int], int]
) -> None:
    """Raise if a code is said to have no concept, and one too."""
    for mapped in found:
        code = (mapped.source_vocabulary_id, mapped.source_code)
        if mapped.target_concept_id and (*code, 0) in lines:
            raise _wrong(
                path,
                lines[(*code, 0)],
                "target_concept_id",
                f"is 0, but line {lines[(*code, mapped.target_concept_id)]} maps the same code",
            )


def _wrong(path: Path, line: int, column: str, what: str) -> DeliveryError:
    return DeliveryError(f"{path.name}, line {line}, column {column}: {what}")
