"""The hospital's mapping table: read whole against the vocabulary, or refused by its place."""

import json
from pathlib import Path

import duckdb
import pytest

from pumasi.config import SitePaths
from pumasi.errors import VocabularyError
from pumasi.extract import read_vocabulary
from tests.extract.extracts import site_of, write_files

HEADER = (
    "source_code,source_concept_id,source_vocabulary_id,source_code_description,"
    "target_concept_id,target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason\n"
)
GOOD = (
    HEADER + "J459,0,KCD8,asthma,317009,SNOMED,2020-01-01,2099-12-31,\n"
    "E75.2,0,KCD8,sphingolipidosis,2000000212,PUMASI,2020-01-01,2099-12-31,\n"
    'SIM-LAB-0023,0,LOCAL_LAB,"lyso-Gb3, serum",2000000001,PUMASI,2020-01-01,20991231,\n'
    "SIM-LAB-0099,0,LOCAL_LAB,something else,0,None,2020-01-01,2099-12-31,\n"
    "SIM-LAB-0024,0,LOCAL_LAB,no longer,999999,None,2020-01-01,2021-12-31,D\n"
)


def vocabulary(tmp_path: Path, text: str | bytes, source: str = "project") -> SitePaths:
    write_files(tmp_path, {"map.csv": text})
    paths = SitePaths.of("tiny", tmp_path / "home")
    mapping = {"url": str(tmp_path / "map.csv")}
    said: dict[str, object] = {"source": source}
    if source == "folder":
        said["url"] = str(tmp_path / "athena")
    config = site_of("nowhere", "hospital_csv", vocabulary=said, mapping=mapping)
    read_vocabulary(config, [], paths)
    return paths


def rows(paths: SitePaths, table: str, columns: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        path = str(paths.vocabulary / f"{table}.parquet")
        query = f"select {columns} from read_parquet($1) order by all"
        return connection.execute(query, [path]).fetchall()


def test_rows_that_count_are_written_and_kcd_gets_its_dot(tmp_path: Path) -> None:
    columns = "source_vocabulary_id, source_code, target_concept_id, source_code_description"
    assert rows(vocabulary(tmp_path, GOOD), "source_to_concept_map", columns) == [
        ("KCD8", "E75.2", 2000000212, "sphingolipidosis"),
        ("KCD8", "J45.9", 317009, "asthma"),
        ("LOCAL_LAB", "SIM-LAB-0023", 2000000001, "lyso-Gb3, serum"),
        ("LOCAL_LAB", "SIM-LAB-0099", 0, "something else"),
    ]


def test_a_changed_mapping_is_another_vocabulary(tmp_path: Path) -> None:
    def hash_of(name: str, text: str) -> str:
        manifest = vocabulary(tmp_path / name, text).vocabulary / "manifest.json"
        return str(json.loads(manifest.read_text())["hash"])

    first = hash_of("a", GOOD)
    assert hash_of("b", GOOD) == first
    assert hash_of("c", GOOD.replace("J459,0,KCD8", "J458,0,KCD8")) != first
    turned = HEADER + "".join(reversed(GOOD.splitlines(keepends=True)[1:]))
    assert hash_of("d", turned) == first


def test_local_concepts_stand_beside_those_of_a_folder(tmp_path: Path) -> None:
    """A vocabulary that others made knows none of ours; the mapping leads to them all the same."""
    athena = {
        "concept.csv": "concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,"
        "standard_concept,concept_code\n317009,Asthma,Condition,SNOMED,Disorder,S,195967001\n",
        "concept_relationship.csv": "concept_id_1,concept_id_2,relationship_id\n"
        "317009,317009,Maps to\n",
    }
    write_files(tmp_path / "athena", athena)
    paths = vocabulary(tmp_path, GOOD, "folder")
    found = rows(paths, "concept", "concept_id, vocabulary_id")
    assert len(found) == 1 + 36
    assert (2000000212, "PUMASI") in found
    assert (317009, 2000000207) in rows(
        paths, "concept_ancestor", "ancestor_concept_id, descendant_concept_id"
    )


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("target_concept_id,", "target,", "line 1: column target_concept_id is missing; wants"),
        ("J459,0", ",0", "line 2, column source_code: is empty"),
        ("KCD8,asthma", ",asthma", "line 2, column source_vocabulary_id: is empty"),
        ("317009", "", "line 2, column target_concept_id: is empty"),
        ("317009", "asthma", "line 2, column target_concept_id: wants the number of a concept"),
        ("317009", "318000", "line 2, column target_concept_id: is no concept of the site's"),
        ("317009", "19009965", "line 2, column target_concept_id: is no standard concept"),
        ("2020-01-01", "1.1.2020", "line 2, column valid_start_date: wants a day such as"),
        ('"lyso-Gb3, serum"', "lyso-Gb3, serum", "line 4: wants 9 columns as the header; put a"),
        ("E75.2", "J45.9", "line 3, column source_code: says what line 2 says; keep one"),
        (
            "2000000001",
            "0",
            "line 4, column target_concept_id: is 0, but line 5 maps the same code",
        ),
    ],
)
def test_a_mistake_is_told_by_file_line_and_column(
    tmp_path: Path, good: str, bad: str, said: str
) -> None:
    text = GOOD.replace(good, bad, 1)
    if bad == "J45.9":
        text = text.replace("2000000212", "317009")
    if bad == "0":
        text = text.replace(
            "SIM-LAB-0099,0,LOCAL_LAB,something else,0", "SIM-LAB-0023,0,LOCAL_LAB,x,2000000005"
        )
    with pytest.raises(VocabularyError) as raised:
        vocabulary(tmp_path, text)
    assert str(raised.value).startswith(f"site tiny: map.csv, {said}")
    assert not (tmp_path / "home" / "sites" / "tiny" / "vocabulary").exists()


def test_other_encodings_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"map.csv, line 2: not UTF-8; save it as UTF-8"):
        vocabulary(tmp_path, GOOD.replace("asthma", "천식").encode("cp949"))
    config = site_of("nowhere", vocabulary={"source": "project"}, mapping={"url": "/nowhere.csv"})
    with pytest.raises(VocabularyError, match=r"there is no mapping table /nowhere\.csv"):
        read_vocabulary(config, [], SitePaths.of("tiny", tmp_path / "home"))
