"""Files of a delivery: what container each is, which table it holds, its hash and its lines.

One streaming pass in Python reads every byte once: it proves that a gzip is whole, hashes the file
as it lies there, counts lines and finds the resource types. DuckDB does everything after that.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pumasi.errors import DeliveryError
from pumasi.extract.contract import Format

CHUNK = 4 << 20
CONTAINERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "bundle",
    ".duckdb": "duckdb",
    ".zip": "zip",
}
RESOURCE_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
# Two chunks can cut a `"resourceType": "…"` in half; this many bytes are looked at twice.
OVERLAP = 128


@dataclass
class FileFacts:
    """What one pass over a file says: content hash (of the bytes stored), size, lines, types."""

    sha256: str
    bytes: int
    lines: int = 0
    resource_types: dict[str, int] = field(default_factory=dict)


def container_of(path: str) -> str | None:
    """The container by file name (`person.csv.gz` -> csv), None if it is none that we read."""
    name = PurePosixPath(path).name.lower().removesuffix(".gz")
    return CONTAINERS.get(PurePosixPath(name).suffix)


def stem_of(path: str) -> str:
    """The file's name, lower case, without its ending: `PERSON_1.csv.gz` -> person_1."""
    name = PurePosixPath(path).name.lower().removesuffix(".gz")
    return name.removesuffix(PurePosixPath(name).suffix)


def table_of(source: Format, path: str) -> str | None:
    """The raw table that a CSV or parquet file holds, by its name or by its folder's.

    `PERSON.csv`, `person_0001.csv.gz` and `person/part-0.parquet` all hold `person`; what
    `person.old.csv` holds, nobody knows.
    """
    parts = PurePosixPath(path).parts
    stem = stem_of(path)
    folder = parts[-2].lower() if len(parts) > 1 else ""
    for table in source.tables:
        if re.fullmatch(rf"{table.name}([-_.]?\d+)?", stem):
            return table.name
    return next((table.name for table in source.tables if table.name == folder), None)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's content, decompressed if its name ends in .gz."""
    if path.suffix.lower() == ".gz":
        with gzip.open(path, "rb") as stream:
            yield io.BufferedReader(stream, CHUNK)
    else:
        with path.open("rb") as stream:
            yield stream


def examine(path: Path, name: str, *, text: bool) -> FileFacts:
    """Hash the file and, for text, count its non-blank lines and the resource types it names.

    Raises:
        DeliveryError: the file is a truncated or broken gzip, or can't be read.
    """
    facts = FileFacts(hash_of(path), path.stat().st_size)
    if not text:
        return facts
    read = 0
    try:
        with opened(path) as stream:
            tail = b"\n"
            kept = b""
            while chunk := stream.read(CHUNK):
                read += len(chunk)
                facts.lines += _line_starts(tail[-2:], chunk)
                _count_types(facts.resource_types, kept, chunk)
                tail = (tail + chunk)[-2:]
                kept = chunk[-OVERLAP:]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = "is a truncated gzip" if isinstance(error, EOFError) else "is a broken gzip"
        raise DeliveryError(
            f"{name} {reason} after {read} decompressed bytes (about line {facts.lines}); "
            "ask the source for the file again; nothing of this delivery was taken in"
        ) from None
    return facts


def hash_of(path: Path) -> str:
    """SHA-256 of the bytes stored."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _line_starts(before: bytes, chunk: bytes) -> int:
    """Non-blank lines that begin in `chunk`, given the two bytes before it."""
    joined = before + chunk
    starts = joined.count(b"\n", len(before) - 1, len(joined) - 1)
    if b"\n\n" not in joined and b"\n\r\n" not in joined:
        return starts
    blank = re.finditer(rb"(?<=\n)\r?\n", joined)
    return starts - sum(1 for match in blank if match.end() > len(before))


def _count_types(counts: dict[str, int], kept: bytes, chunk: bytes) -> None:
    """Add the resource types named in `chunk`; `kept` is the end of the chunk before.

    Contained resources count too: the result says which types a file may hold, not how many.
    """
    window = kept + chunk
    for match in RESOURCE_TYPE.finditer(window):
        if match.end() > len(kept):
            resource = match.group(1).decode()
            counts[resource] = counts.get(resource, 0) + 1


@dataclass(frozen=True)
class Place:
    """A record in the decompressed text: its number and first line (from 1), byte offset, bytes."""

    record: int
    line: int
    offset: int
    content: bytes


def records(path: Path, *, delimiter: str | None) -> Iterator[Place]:
    """Records that are not blank, in order; with a `delimiter`, a line break in quotes ends none.

    Used for the few records that go to quarantine, to say where they are; never to read data.
    """
    with opened(path) as stream:
        record, offset, start_line, start_offset = 0, 0, 1, 0
        pending: list[bytes] = []
        in_quotes = False
        for number, line in enumerate(stream, start=1):
            if not pending:
                start_line, start_offset = number, offset
            pending.append(line)
            offset += len(line)
            in_quotes = bool(delimiter) and _in_quotes(line, str(delimiter).encode(), in_quotes)
            if in_quotes:
                continue
            if content := b"".join(pending).rstrip(b"\r\n"):
                record += 1
                yield Place(record, start_line, start_offset, content)
            pending = []
        if content := b"".join(pending).rstrip(b"\r\n"):
            yield Place(record + 1, start_line, start_offset, content)


def _in_quotes(line: bytes, delimiter: bytes, before: bool) -> bool:
    """Whether a field is open at the line's end, given whether one was `before` it.

    Only a quotation mark that begins a field opens one.
    """
    if b'"' not in line:
        return before
    if before:
        closing = re.match(rb'(?:[^"]|"")*"(?!")', line)
        if closing is None:
            return True
        line = line[closing.end() :]
    begins = rb"(^|" + re.escape(delimiter) + rb") *"
    closed = re.sub(begins + rb'"(?:[^"]|"")*"(?!")', rb"\1", line)
    return re.search(begins + b'"', closed) is not None


def places_at(path: Path, offsets: Iterable[int], *, delimiter: str | None) -> Iterator[Place]:
    """The record at each of the byte offsets, which ascend.

    DuckDB begins a record with the blank lines before it: the first that ends after is meant.
    """
    waiting = iter(offsets)
    offset = next(waiting, None)
    for place in records(path, delimiter=delimiter):
        while offset is not None and offset < place.offset + len(place.content):
            yield place
            offset = next(waiting, None)
        if offset is None:
            break


@contextmanager
def as_written(path: Path) -> Iterator[Callable[[Place], Place]]:
    """Finds places of a copy in the file, which has the same lines in another encoding.

    They are asked for in ascending order.
    """
    with opened(path) as stream:
        number, offset = 1, 0
        last: tuple[Place, Place] | None = None

        def find(place: Place) -> Place:
            nonlocal number, offset, last
            if last is None or place != last[0]:
                while number < place.line:
                    offset += len(stream.readline())
                    number += 1
                lines = [stream.readline() for _ in range(place.content.count(b"\n") + 1)]
                content = b"".join(lines).rstrip(b"\r\n")
                last = place, Place(place.record, place.line, offset, content)
                number += len(lines)
                offset += sum(map(len, lines))
            return last[1]

        yield find


def line_at(path: Path, offset: int) -> int:
    """Line (from 1) of a byte offset in the decompressed text."""
    with opened(path) as stream:
        line, left = 1, offset
        while left > 0 and (chunk := stream.read(min(CHUNK, left))):
            line += chunk.count(b"\n")
            left -= len(chunk)
    return line


def text_at(path: Path, offset: int) -> bytes:
    """The line that begins at a byte offset in the decompressed text; it holds values of a row."""
    with opened(path) as stream:
        left = offset
        while left > 0 and (chunk := stream.read(min(CHUNK, left))):
            left -= len(chunk)
        return stream.readline()


def lone_return(path: Path) -> int | None:
    """The first line (from 1) with a carriage return that is not at its end, None if there is none.

    Used to say what is wrong with a file; never to read data.
    """
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            if b"\r" in line.rstrip(b"\r\n"):
                return number
    return None
