"""CSV files in the encoding that the hospital states: checked when pulled, UTF-8 when read.

An encoding is never guessed: CP949 bytes are often readable as something else. In both encodings a
comma, a quotation mark and a line end are bytes of their own and never part of a letter, so lines
can be told apart before they are decoded.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pumasi.errors import DeliveryError
from pumasi.extract.files import CHUNK, opened

UTF_8 = "utf-8"
# A byte that no UTF-8 text has, as Python writes it with `surrogateescape`: DuckDB refuses a line
# that has it in a value that enters, and the line goes to quarantine by its place.
UNREADABLE = "\udcff"
MARK_UNREADABLE = "pumasi.mark_unreadable"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """One unreadable byte for one; the byte after it is looked at anew: it may be a comma."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only used to decode
    return UNREADABLE, error.start + 1


codecs.register_error(MARK_UNREADABLE, _mark)


def check_encoding(path: Path, name: str, encoding: str) -> None:
    """Whether most lines of a CSV that are not ASCII are in the encoding, and not in UTF-8 instead.

    A broken line among good ones costs itself only; it goes to quarantine when the file is read.

    Raises:
        DeliveryError: the file is in another encoding; names the first line that shows it.
    """
    lines = _Lines()
    with opened(path) as stream:
        for block in _blocks(stream):
            lines.add(block, encoding)
    # Korean text in CP949 is valid UTF-8 by no accident, but UTF-8 can pass for CP949.
    utf_8_instead = encoding != UTF_8 and lines.not_utf_8 == 0
    if lines.not_ascii and (utf_8_instead or 2 * lines.unreadable > lines.not_ascii):
        raise DeliveryError(
            f"{name}, line {lines.first_unreadable or lines.first_not_ascii}: its bytes are not "
            f"{encoding.upper()}; nothing of this delivery was taken in. Put the encoding that the "
            'hospital exports into its configuration, as `encoding = "cp949"` or "utf-8" in '
            "[source]"
        )


@dataclass
class _Lines:
    """What the lines of a text that are not ASCII say of its encoding."""

    seen: int = 0
    not_ascii: int = 0
    unreadable: int = 0
    not_utf_8: int = 0
    first_not_ascii: int | None = None
    first_unreadable: int | None = None

    def add(self, block: bytes, encoding: str) -> None:
        """Count the lines of the next block."""
        if block.isascii():
            self.seen += block.count(b"\n")
            return
        for line in _lines(block):
            self.seen += 1
            if line.isascii():
                continue
            self.not_ascii += 1
            self.first_not_ascii = self.first_not_ascii or self.seen
            self.not_utf_8 += not _readable(line, UTF_8)
            if not _readable(line, encoding):
                self.unreadable += 1
                self.first_unreadable = self.first_unreadable or self.seen


def write_utf_8(path: Path, encoding: str, target: Path) -> None:
    """Write the text of a CSV as UTF-8, line by line; what can't be decoded stays unreadable."""
    with opened(path) as stream, target.open("wb") as decoded:
        for block in _blocks(stream):
            if block.isascii():
                decoded.write(block)
            else:
                text = block.decode(encoding, MARK_UNREADABLE)
                decoded.write(text.encode(UTF_8, "surrogateescape"))


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces of whole lines."""
    kept = b""
    while chunk := stream.read(CHUNK):
        whole, end, rest = (kept + chunk).rpartition(b"\n")
        kept = rest
        if end:
            yield whole + end
    if kept:
        yield kept


def _lines(block: bytes) -> Iterator[bytes]:
    # Not splitlines: a lone carriage return ends no line.
    for line in block.split(b"\n")[:-1]:
        yield line + b"\n"
    if rest := block.rpartition(b"\n")[2]:
        yield rest


def _readable(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
