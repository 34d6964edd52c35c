"""What must hold for any extract: order and packing are nothing, content is everything."""

import csv
import io
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.errors import DeliveryError
from pumasi.extract.files import examine, places_at, records
from pumasi.extract.manifest import delivery_id
from tests.extract.extracts import (
    PERIODS,
    PERSONS,
    condition,
    encounter,
    ndjson,
    patient,
    take_in_files,
)

ANYTHING = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
# What breaks readers: delimiters, quotation marks, line ends, bytes beyond ASCII.
NASTY = st.text(st.sampled_from('ab1,;"\n\r\t é한'), max_size=8)
DATES = st.sampled_from(["2015-02-03", "2015-02", "", "soon", "2020-12-31T10:00:00"])
HEADER = [
    "condition_occurrence_id",
    "person_id",
    "condition_concept_id",
    "condition_start_date",
    "stop_reason",
    "condition_source_value",
    "condition_end_date",
    "visit_occurrence_id",
]
ROWS = st.lists(
    st.tuples(
        st.integers(1, 30).map(str),
        st.sampled_from(["101", "102", "103", "104.0", ""]),
        st.sampled_from(["317009", "255573", "x", "1.0"]),
        DATES,
        NASTY.map(lambda text: text.replace("\r", "")),
        st.sampled_from(["195967001", "J45", "two words", ""]),
        st.just(""),
        st.just(""),
    ),
    min_size=1,
    max_size=12,
)
FEW = settings(max_examples=10, deadline=None)


def as_csv(rows: list[tuple[str, ...]], header: list[str] = HEADER, end: str = "\n") -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def omop(conditions: dict[str, str]) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {"person.csv": PERSONS, "observation_period.csv": PERIODS}
    return files | {f"condition_occurrence_{name}.csv": text for name, text in conditions.items()}


@FEW
@given(rows=ROWS, seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_columns_and_files_changes_nothing(
    rows: list[tuple[str, ...]], seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    shuffled = rng.sample(rows, len(rows))
    order = rng.sample(range(len(HEADER)), len(HEADER))
    turned = [tuple(row[index] for index in order) for row in shuffled]
    header = [HEADER[index] for index in order]
    cut = rng.randint(0, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        one = take_in_files(Path(folder, "one"), omop({"1": as_csv(rows)}))
        other = take_in_files(
            Path(folder, "other"),
            omop({"7": as_csv(turned[cut:], header), "1": as_csv(turned[:cut], header)}),
        )
        assert other.content() == one.content()
        assert other.counts("condition_occurrence") == one.counts("condition_occurrence")
        reasons = sorted(one.quarantine("source_table, reason"))
        assert sorted(other.quarantine("source_table, reason")) == reasons


@FEW
@given(rows=ROWS)
def test_every_row_is_read_or_quarantined_where_it_lies(rows: list[tuple[str, ...]]) -> None:
    text = as_csv(rows)
    with tempfile.TemporaryDirectory() as folder:
        taken = take_in_files(Path(folder), omop({"1": text}))
        read, bad = taken.counts("condition_occurrence")[1:3]
        assert read + bad == len(rows)
        content = text.encode()
        for line, offset in taken.quarantine("line_no, byte_offset"):
            # The record that begins there parses to a row that lacks what it must have.
            assert content.count(b"\n", 0, offset) + 1 == line
            row = next(csv.reader(io.StringIO(content[offset:].decode(), newline="")))
            assert tuple(row) in {tuple(each) for each in rows}
            required = (row[1].strip(), row[2].strip(), row[3].strip())
            assert not all(required) or required[1] == "x" or required[2] in ("2015-02", "soon")


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(NASTY, min_size=2, max_size=2), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_records_of_a_csv_begin_where_a_parser_says(
    rows: list[list[str]], delimiter: str, end: str, quoting: Any
) -> None:
    pieces = []
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting).writerow(row)
        pieces.append(buffer.getvalue().encode())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(b"".join(pieces))
        places = list(records(path, delimiter=delimiter))
        starts = [sum(map(len, pieces[:index])) for index in range(len(pieces))]
        assert [place.offset for place in places] == starts
        assert [place.content for place in places] == [piece.rstrip(b"\r\n") for piece in pieces]
        assert list(places_at(path, starts[1:], delimiter=delimiter)) == places[1:]
        assert list(places_at(path, starts, delimiter=delimiter)) == places


@settings(max_examples=300, deadline=None)
@given(text=st.binary(max_size=60), chunk=st.integers(1, 7))
def test_lines_are_counted_the_same_in_any_chunks(text: bytes, chunk: int) -> None:
    text = text.replace(b"a", b"\n").replace(b"b", b"\r\n").replace(b"c", b"\n\n")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "a.ndjson")
        path.write_bytes(text)
        patch.setattr("pumasi.extract.files.CHUNK", chunk)
        lines = examine(path, "a.ndjson", text=True).lines
    assert lines == sum(line not in (b"", b"\r") for line in text.split(b"\n")[:-1]) + (
        1 if text.split(b"\n")[-1] else 0
    )


@settings(max_examples=100, deadline=None)
@given(kinds=st.lists(st.sampled_from(["Patient", "Goal", "MedicationRequest"])), pad=st.data())
def test_resource_types_are_found_across_chunks(kinds: list[str], pad: st.DataObject) -> None:
    lines = [
        json.dumps({"note": "x" * pad.draw(st.integers(0, 400)), "resourceType": kind})
        for kind in kinds
    ]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "a.ndjson")
        path.write_text("\n".join(lines))
        patch.setattr("pumasi.extract.files.CHUNK", 150)
        found = examine(path, "a.ndjson", text=True).resource_types
    assert found == {kind: kinds.count(kind) for kind in set(kinds)}


@FEW
@given(
    ids=st.lists(st.sampled_from(["a", "b", "c-1", "7"]), min_size=1, max_size=8),
    notes=st.lists(ANYTHING, min_size=8, max_size=8),
    seed=st.integers(0, 2**32 - 1),
)
def test_order_and_packing_of_fhir_changes_nothing(
    ids: list[str], notes: list[str], seed: int
) -> None:
    """One file or many, lines in any order, keys in any order, whatever the texts beside them."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    resources = []
    for index, (identifier, note) in enumerate(zip(ids, notes, strict=False)):
        resources.append(patient(identifier, note=note))
        resources.append(encounter(f"e{index}", f"Patient/{identifier}"))
        resources.append(condition(f"c{index}", f"urn:uuid:{identifier}", text={"div": note}))
    shuffled = [
        dict(rng.sample(list(each.items()), len(each)))
        for each in rng.sample(resources, len(resources))
    ]
    cut = rng.randint(0, len(shuffled))
    with tempfile.TemporaryDirectory() as folder:
        one = take_in_files(Path(folder, "one"), {"a.ndjson": ndjson(*resources)}, "fhir_r4")
        try:
            other = take_in_files(
                Path(folder, "other"),
                {"x.ndjson.gz": ndjson(*shuffled[cut:]), "y.jsonl": ndjson(*shuffled[:cut])},
                "fhir_r4",
            )
        except DeliveryError as error:  # pragma: no cover - would say what went wrong
            raise AssertionError(str(error)) from error
        assert other.content() == one.content()
        assert one.counts("patient")[1] == len(ids)


@given(
    files=st.lists(st.tuples(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers())),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_identity_of_a_delivery_knows_no_order(files: list[tuple[str, int]], seed: int) -> None:
    shuffled = random.Random(seed).sample(files, len(files))  # noqa: S311 - no secret
    assert delivery_id(shuffled) == delivery_id(files)
    assert delivery_id([*files, ("0" * 64, 1)]) != delivery_id(files)


@settings(max_examples=8, deadline=None)
@given(rows=ROWS, name=st.sampled_from(["1", "2", "77"]))
def test_the_identity_depends_on_content_only(rows: list[tuple[str, ...]], name: str) -> None:
    text = as_csv(rows)
    with tempfile.TemporaryDirectory() as folder:
        one = take_in_files(Path(folder, "one"), omop({"1": text}))
        other = take_in_files(Path(folder, "other"), omop({name: text}))
        more = take_in_files(Path(folder, "more"), omop({"1": as_csv([*rows, rows[0]])}))
        assert other.manifest.delivery_id == one.manifest.delivery_id
        assert more.manifest.delivery_id != one.manifest.delivery_id
