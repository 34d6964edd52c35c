"""No direct identifier is anywhere: not in a table, a log, an event, a manifest or a message."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import duckdb

from tests.end_to_end.extracts import Extract, extract_of
from tests.end_to_end.network import SETS, Built, Network
from tests.end_to_end.search import Finder, ids_in_tables, texts_of_files, texts_of_tables


def test_no_table_holds_an_identifier_of_its_source(built: Built, extract: Extract) -> None:
    finder = Finder(extract.identifiers)
    searched = dict(texts_of_tables(built.paths.root))
    assert {place: said for place, text in searched.items() if (said := finder.found(text))} == {}
    places = {place.split("/")[0].split(".")[0] for place in searched}
    assert {"warehouse", "raw", "quarantine", "candidate", "releases"} <= places


def test_no_person_or_visit_has_the_id_that_it_had_at_the_source(
    built: Built, extract: Extract
) -> None:
    searched = dict(ids_in_tables(built.paths.root))
    assert any(place.endswith("omop.person person_id") for place in searched)
    known = extract.numbers
    assert {place: ids & known for place, ids in searched.items() if ids & known} == {}


def test_no_file_of_the_home_holds_an_identifier_of_any_source(
    all_built: list[Built], network: Network, shared_data: Path
) -> None:
    extracts = [extract_of(shared_data / SETS[each.site].folder) for each in all_built]
    kinds = {kind for each in extracts for kind in each.identifiers}
    finder = Finder({k: set().union(*(e.identifiers[k] for e in extracts)) for k in kinds})
    said = {f"what the build of {each.site} said": each.said for each in all_built}
    searched = dict(texts_of_files(network.home)) | said
    assert {place: found for place, text in searched.items() if (found := finder.found(text))} == {}
    names = " ".join(searched)
    for kind in ("history/runs", "compute_logs", "dbt.log", "manifest.json", "seals", "deliveries"):
        assert kind in names


PLANTED = {"id numbers": {"999-22-1962"}, "full names": {"María Elena653 Rodarte647"}}


def test_the_search_finds_what_is_planted_in_a_log_an_event_log_a_table_and_a_struct(
    tmp_path: Path,
) -> None:
    (tmp_path / "run.log").write_text("row\\nmar\\u00eda elena653\trodarte647, at line 3")
    with sqlite3.connect(tmp_path / "events.db") as events:
        events.execute("create table event_logs (body text)")
        events.execute("insert into event_logs values (?)", [json.dumps({"ssn": "999221962"})])
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema omop")
        warehouse.execute("create view omop.note as select 'Re 999-22-1962.' as note_text")
        warehouse.execute(
            "copy (select [{'code': '999-22-1962'}] as codings, '1999-22-19620' as other) "
            f"to '{tmp_path}/condition.parquet' (format parquet)"
        )
    finder = Finder(PLANTED)
    searched = dict(texts_of_files(tmp_path)) | dict(texts_of_tables(tmp_path))
    found = {place for place, text in searched.items() if finder.found(text)}
    assert found == {
        "run.log",
        "events.db",
        "warehouse.duckdb omop.note note_text",
        "condition.parquet codings",
    }
    assert "condition.parquet other" in searched
