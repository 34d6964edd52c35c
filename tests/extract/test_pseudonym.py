"""Keyed hashes in place of identifiers: the standard's HMAC, one key per hospital, kept secret."""

import hashlib
import hmac
import stat
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.errors import PseudonymisationError
from pumasi.extract import discover, pull, read
from pumasi.extract.pseudonym import load_or_create_key, register
from tests.extract.extracts import (
    KEY,
    OMOP,
    PERSONS,
    SYNTHEA,
    condition,
    encounter,
    ndjson,
    patient,
    site_of,
    take_in,
    take_in_files,
    write_files,
)


def keyed(domain: str, identifier: str, key: bytes = KEY) -> int:
    """The definition, with Python's own HMAC: the first 63 bits."""
    digest = hmac.new(key, f"{domain}:{identifier}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@settings(max_examples=200, deadline=None)
@given(
    key=st.binary(min_size=32, max_size=32),
    identifiers=st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=1),
)
def test_the_hash_is_hmac_sha_256(key: bytes, identifiers: list[str]) -> None:
    with duckdb.connect() as connection:
        register(connection, key)
        made = connection.execute(
            "select pseudonym('person', unnest($1::varchar[]))", [identifiers]
        ).fetchall()
    assert [row[0] for row in made] == [keyed("person", each, key) for each in identifiers]
    assert all(0 <= row[0] < 2**63 for row in made)


def test_nobody_has_no_hash() -> None:
    with duckdb.connect() as connection:
        register(connection, KEY)
        assert connection.execute("select pseudonym('person', null)").fetchall() == [(None,)]


def test_identifiers_become_the_hashes_of_their_domain(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, OMOP)
    assert taken.rows("person", "person_id, split_key") == [
        (keyed("person", each), keyed("split", each) % 100) for each in ("101", "102", "103")
    ]
    assert taken.rows(
        "condition_occurrence", "condition_occurrence_id, person_id, visit_occurrence_id"
    ) == [
        (keyed("condition", "11"), keyed("person", "101"), keyed("visit", "501")),
        (keyed("condition", "12"), keyed("person", "102"), keyed("visit", "502")),
        (keyed("condition", "13"), keyed("person", "103"), keyed("visit", "503")),
        (keyed("condition", "14"), keyed("person", "103"), None),
    ]


def test_a_number_with_a_fraction_of_zero_is_the_same_identifier(tmp_path: Path) -> None:
    """A number column with gaps is often exported as 10204.0."""
    text = OMOP["condition_occurrence.csv"].replace(",501,", ",501.0,").replace(",101,", ",101.00,")
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    first = taken.rows("condition_occurrence", "person_id, visit_occurrence_id")[0]
    assert first == (keyed("person", "101"), keyed("visit", "501"))


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/x-1",
        "urn:uuid:x-1",
        "http://server/fhir/Patient/x-1",
        "http://server/fhir/Patient/x-1/_history/2",
        "Patient/x-1/_history/2",
        " Patient/x-1 ",
        "x-1",
    ],
)
def test_every_form_of_a_reference_leads_to_the_same_person(tmp_path: Path, reference: str) -> None:
    resources = ndjson(patient("x-1"), encounter("e1", reference), condition("c1", reference))
    taken = take_in_files(tmp_path, {"all.ndjson": resources}, "fhir_r4")
    assert taken.rows("patient", "patient_id") == [(keyed("person", "x-1"),)]
    assert taken.rows("encounter", "patient_id") == [(keyed("person", "x-1"),)]
    assert taken.rows("condition", "patient_id, encounter_id") == [
        (keyed("person", "x-1"), keyed("visit", "e1"))
    ]


def test_identifiers_outside_fhir_are_taken_whole(tmp_path: Path) -> None:
    """`north/7` and `south/7` are two persons; only in FHIR does a slash part type and id."""
    text = PERSONS.replace("101,", "north/7,").replace("102,", "south/7,").replace("103,", "a:7,")
    taken = take_in_files(tmp_path, OMOP | {"person.csv": text})
    assert [row[0] for row in taken.rows("person", "person_id")] == [
        keyed("person", each) for each in ("north/7", "south/7", "a:7")
    ]


def test_one_key_gives_one_pseudonym_in_every_delivery_and_another_key_another(
    tmp_path: Path,
) -> None:
    folder = write_files(tmp_path / "extract", SYNTHEA)
    config = site_of(folder, "synthea_csv")
    ids = []
    for home in ("one", "two"):
        paths = take_in(config, tmp_path / home).paths
        ids.append(take_in(config, tmp_path / home).rows("patients", "patient_id"))
        assert paths.key.read_text() == KEY.hex()
    assert ids[0] == ids[1] == [(keyed("person", "aaa-1"),), (keyed("person", "bbb-2"),)]


def test_the_first_reading_makes_a_key_that_nobody_else_can_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config = site_of(folder)
    from pumasi.config import SitePaths

    paths = SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    read(config, pull(config, delivery, paths), delivery, paths)
    assert stat.S_IMODE(paths.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.key.parent.stat().st_mode) == 0o700
    key = bytes.fromhex(paths.key.read_text())
    assert len(key) == 32
    assert [path.name for path in paths.key.parent.iterdir()] == [paths.key.name]
    with duckdb.connect() as connection:
        raw = paths.raw / "*" / "person.parquet"
        found = connection.execute("select person_id from read_parquet($1)", [str(raw)]).fetchall()
    assert {row[0] for row in found} == {
        keyed("person", each, key) for each in ("101", "102", "103")
    }


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pseudonym.key"
    load_or_create_key(path, create=True)
    path.chmod(mode)
    with pytest.raises(PseudonymisationError) as raised:
        load_or_create_key(path, create=True)
    assert str(raised.value) == (
        "the key pseudonym.key can be read by others; `chmod 600` it, and consider it known"
    )


@pytest.mark.parametrize("text", ["", "not hexadecimal", "ab" * 31, "ab" * 33, "ä" * 64])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pseudonym.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(PseudonymisationError) as raised:
        load_or_create_key(path, create=True)
    assert str(raised.value) == (
        "the key pseudonym.key is not 64 hexadecimal digits; restore it from the safe copy"
    )


def test_a_key_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    taken = take_in(site_of(folder), tmp_path / "home")
    content = taken.content()
    taken.paths.key.unlink()
    (tmp_path / "extract" / "person.csv").write_text(PERSONS + "\n")
    write_files(folder, {"delivery.toml": "as_of = 2024-07-31"})
    config = site_of(folder)
    (delivery,) = discover(config)
    manifest = pull(config, delivery, taken.paths)
    with pytest.raises(PseudonymisationError) as raised:
        read(config, manifest, delivery, taken.paths)
    assert str(raised.value) == (
        "the key pseudonym.key is gone although this hospital has read deliveries; restore it from "
        "the safe copy: with a new key nobody would be the same person again"
    )
    assert not taken.paths.key.exists()
    assert taken.content() == content


def test_the_key_is_in_no_file_but_its_own(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, OMOP)
    traces = [KEY, KEY.hex().encode(), bytes(b ^ 0x36 for b in KEY), bytes(b ^ 0x5C for b in KEY)]
    for path in taken.paths.root.rglob("*"):
        if path.is_file() and path != taken.paths.key:
            content = path.read_bytes()
            assert not [trace for trace in traces if trace in content], path
