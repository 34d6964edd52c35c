"""The project's vocabulary: what it holds, against what others hold, and that a site reads it."""

import csv
import gzip
from pathlib import Path

import duckdb
import pytest

from pumasi.config import SitePaths, project_root
from pumasi.extract import read_vocabulary
from pumasi.omop import FIRST_LOCAL_CONCEPT, PROJECT_VOCABULARY, project_concepts
from tests.extract.extracts import site_of


def shard(shared_data: Path, table: str) -> list[dict[str, str]]:
    path = shared_data / "vocabulary_shard" / f"{table}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def pairs(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_it_agrees_with_the_shard(shared_data: Path) -> None:
    ours = project_concepts()
    compared = 0
    for row in shard(shared_data, "concept"):
        concept = ours.get(int(row["concept_id"]))
        if concept is None:
            continue
        compared += 1
        assert concept.name == row["concept_name"]
        assert concept.domain == row["domain_id"]
        assert concept.vocabulary == row["vocabulary_id"]
        assert concept.code == row["concept_code"]
        assert concept.verification == "V"
    assert compared == 398


def test_its_ancestors_are_those_of_the_shard_and_few_of_our_own(shared_data: Path) -> None:
    theirs = {
        (row["ancestor_concept_id"], row["descendant_concept_id"])
        for row in shard(shared_data, "concept_ancestor")
    }
    rows = pairs(PROJECT_VOCABULARY / "concept_ancestor.csv")
    for row in rows:
        pair = (row["ancestor_concept_id"], row["descendant_concept_id"])
        match row["source"]:
            case "self":
                assert pair[0] == pair[1]
            case "D":
                assert pair not in theirs
            case _:
                assert pair in theirs
    assert {int(id_) for row in rows for id_ in list(row.values())[:2]} <= set(project_concepts())


@pytest.mark.parametrize(
    ("concept_id", "name", "domain"),
    [
        (2000000001, "lyso-Gb3 in serum [ng/mL]", "Measurement"),
        (2000000010, "urine protein/creatinine [mg/g]", "Measurement"),
        (2000000015, "perennial allergen test", "Measurement"),
        (2000000101, "pathogenic variant", "Meas Value"),
        (2000000105, "negative", "Meas Value"),
        (2000000201, "left ventricular hypertrophy", "Condition"),
        (2000000212, "other sphingolipidosis", "Condition"),
        (2000000303, "doxofylline", "Drug"),
        (2000000401, "clinical genetics visit", "Observation"),
    ],
)
def test_ids_of_local_concepts_stay(concept_id: int, name: str, domain: str) -> None:
    concept = project_concepts()[concept_id]
    assert (concept.name, concept.domain, concept.vocabulary) == (name, domain, "PUMASI")


def test_local_is_what_others_have_no_id_for() -> None:
    concepts = project_concepts().values()
    local = [concept for concept in concepts if concept.concept_id >= FIRST_LOCAL_CONCEPT]
    assert len(local) == 36
    assert all(concept.vocabulary == "PUMASI" for concept in local)
    assert {c.concept_id for c in concepts if c.verification == "local"} == {
        concept.concept_id for concept in local
    }
    assert {c.concept_id for c in concepts if c.verification == "W"} == {3013115, 3041430}


def test_every_concept_of_a_concept_set_is_there() -> None:
    seed = project_root() / "dbt_project/seeds/concept_sets/concept_sets.csv"
    with seed.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    concepts = project_concepts()
    for row in rows:
        concept = concepts[int(row["concept_id"])]
        assert concept.verification == row["verification"], row["label"]
        # A class of ATC stands for its drugs; an old id of a drug is kept for old records.
        assert concept.standard or concept.vocabulary == "ATC" or concept.concept_id == 19009965


def test_a_code_means_one_thing() -> None:
    codes = [(c.vocabulary, c.code) for c in project_concepts().values() if c.code]
    assert len(codes) == len(set(codes))


def test_a_site_reads_it_like_a_folder(tmp_path: Path) -> None:
    project = SitePaths.of("project", tmp_path)
    folder = SitePaths.of("folder", tmp_path)
    counts = read_vocabulary(site_of("nowhere", vocabulary={"source": "project"}), [], project)
    named = {"source": "folder", "url": str(PROJECT_VOCABULARY)}
    assert read_vocabulary(site_of("nowhere", vocabulary=named), [], folder) == counts
    assert counts["concept"] == len(project_concepts())
    manifests = [paths.vocabulary / "manifest.json" for paths in (project, folder)]
    assert manifests[0].read_text() == manifests[1].read_text()
    with duckdb.connect() as connection:
        path = str(project.vocabulary / "concept.parquet")
        query = "select concept_code, standard_concept from read_parquet(?) where concept_id = ?"
        assert connection.execute(query, [path, 317009]).fetchall() == [("195967001", "S")]
        assert connection.execute(query, [path, 35606631]).fetchall() == [(None, "S")]
