"""The audit log: whatever is changed in it is found, with an anchor also a log written anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumasi import audit
from pumasi.audit import Head
from pumasi.config.paths import SitePaths
from pumasi.errors import AuditError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def written(folder: Path, lines: int = 6) -> tuple[Path, list[Head]]:
    paths = SitePaths(folder)
    paths.audit_log.unlink(missing_ok=True)
    heads = [audit.append(paths, NOON, "sent", {"exchange": number}) for number in range(lines)]
    return paths.audit_log, heads


def test_a_log_that_nobody_touched_is_whole_and_ends_with_the_head(tmp_path: Path) -> None:
    log, heads = written(tmp_path)
    found = audit.verify(log, heads)
    assert (found.head, found.lines, found.anchors) == (heads[-1], 6, 6)
    assert [entry["exchange"] for entry in audit.entries(log)] == list(range(6))
    assert {len(str(head)) for head in heads} == {77}
    assert Head.parse(str(heads[3])) == heads[3]


def test_an_empty_log_is_whole_and_has_no_head(tmp_path: Path) -> None:
    assert audit.verify(tmp_path / "audit.log").head is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(change=st.sampled_from(["edit", "drop", "swap", "insert"]), place=st.integers(0, 4))
def test_a_line_that_is_changed_is_found_without_an_anchor(
    tmp_path: Path, change: str, place: int
) -> None:
    log, _ = written(tmp_path)
    lines = log.read_bytes().splitlines()
    if change == "edit":
        lines[place] = lines[place].replace(b'"sent"', b'"read"')
    elif change == "drop":
        del lines[place]
    elif change == "swap":
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
    else:
        lines.insert(place, lines[place])
    log.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(AuditError, match="does not follow from the line before it"):
        audit.verify(log)


def test_a_tail_that_was_cut_off_is_found_with_an_anchor_only(tmp_path: Path) -> None:
    log, heads = written(tmp_path)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]))
    assert audit.verify(log).anchors == 0
    with pytest.raises(AuditError, match="line 6 was there and is not: the end was cut off"):
        audit.verify(log, [heads[1], heads[-1]])


def test_a_log_written_anew_is_found_with_an_anchor_only(tmp_path: Path) -> None:
    _, heads = written(tmp_path / "a")
    paths = SitePaths(tmp_path / "b")
    for number in range(8):
        audit.append(paths, NOON, "sent", {"exchange": number + (number == 2)})
    audit.verify(paths.audit_log)
    with pytest.raises(AuditError, match="line 6 is not the one of the anchor"):
        audit.verify(paths.audit_log, [heads[-1]])


def test_a_line_that_the_disk_cut_off_is_part_of_the_chain(tmp_path: Path) -> None:
    log, heads = written(tmp_path, 2)
    with log.open("ab") as stream:
        stream.write(b'{"number": 3, "prev')
    last = audit.append(SitePaths(tmp_path), NOON, "sent", {})
    assert last.number == 3
    assert audit.verify(log, [*heads, last]).lines == 4
    text = log.read_bytes()
    log.write_bytes(text.replace(b'{"number": 3, "prev\n', b""))
    with pytest.raises(AuditError, match="line 3 does not follow"):
        audit.verify(log)


@pytest.mark.parametrize("text", ["", "17", "17:abc", "x:" + "0" * 64])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(AuditError, match="an anchor is the number of a line and its hash"):
        Head.parse(text)
