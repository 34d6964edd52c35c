"""The vocabulary of a site: nine tables, from its delivery or a folder, whole or refused."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.config import SiteConfig, SitePaths, get_site, project_root
from pumasi.errors import VocabularyError
from pumasi.extract import discover, read_vocabulary
from tests.extract.extracts import OMOP, site_of, write_files

TABLES = (
    "concept",
    "concept_relationship",
    "concept_ancestor",
    "concept_class",
    "concept_synonym",
    "domain",
    "drug_strength",
    "relationship",
    "vocabulary",
    "source_to_concept_map",
)
CONCEPT = (
    "concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\t"
    "concept_code\tvalid_start_date\tvalid_end_date\tinvalid_reason\n"
    '1\t5" tube, "sterile\tDevice\tSNOMED\tPhysical Object\tS\t111\t19700101\t20991231\t\n'
    "2\tAsthma\tCondition\tSNOMED\tDisorder\tS\t222\t20020131\t20991231\t\n"
    "3\tOld asthma\tCondition\tICD9CM\tcode\t\t493.9\t19700101\t20121231\tD\n"
)
RELATIONSHIP = (
    "concept_id_1\tconcept_id_2\trelationship_id\tvalid_start_date\tvalid_end_date\tinvalid_reason\n"
    "3\t2\tMaps to\t19700101\t20991231\t\n"
)
ATHENA: dict[str, str | bytes] = {
    "CONCEPT.csv": CONCEPT,
    "CONCEPT_RELATIONSHIP.csv": RELATIONSHIP,
}


def with_folder(folder: Path) -> SiteConfig:
    return site_of("nowhere", vocabulary={"source": "folder", "url": str(folder)})


def rows(paths: SitePaths, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        path = str(paths.vocabulary / f"{table}.parquet")
        return connection.execute(
            f"select {columns} from read_parquet($1) order by all", [path]
        ).fetchall()


def refusal(tmp_path: Path, files: dict[str, str | bytes]) -> str:
    """The message that refuses these files; the vocabulary that was there is as it was."""
    paths = SitePaths.of("tiny", tmp_path / "home")
    read_vocabulary(with_folder(write_files(tmp_path / "good", ATHENA)), [], paths)
    before = {path.name: path.read_bytes() for path in paths.vocabulary.iterdir()}
    with pytest.raises(VocabularyError) as raised:
        read_vocabulary(with_folder(write_files(tmp_path / "bad", files)), [], paths)
    assert {path.name: path.read_bytes() for path in paths.vocabulary.iterdir()} == before
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    return str(raised.value)


def test_athena_writes_tabs_quotation_marks_and_dates_without_dashes(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "athena", ATHENA)
    paths = SitePaths.of("tiny", tmp_path / "home")
    counts = read_vocabulary(with_folder(folder), [], paths)
    assert counts == dict.fromkeys(TABLES, 0) | {"concept": 3, "concept_relationship": 1}
    columns = "concept_id, concept_name, standard_concept, valid_start_date, valid_end_date"
    assert rows(paths, "concept", columns) == [
        (1, '5" tube, "sterile', "S", date(1970, 1, 1), date(2099, 12, 31)),
        (2, "Asthma", "S", date(2002, 1, 31), date(2099, 12, 31)),
        (3, "Old asthma", None, date(1970, 1, 1), date(2012, 12, 31)),
    ]
    assert rows(paths, "concept_relationship") == [
        (3, 2, "Maps to", None, date(1970, 1, 1), date(2099, 12, 31))
    ]


def test_all_nine_tables_are_there_with_their_columns_even_if_empty(tmp_path: Path) -> None:
    paths = SitePaths.of("tiny", tmp_path / "home")
    read_vocabulary(with_folder(write_files(tmp_path / "athena", ATHENA)), [], paths)
    names = {path.name for path in paths.vocabulary.iterdir()}
    assert names == {f"{table}.parquet" for table in TABLES} | {"manifest.json"}
    assert rows(paths, "drug_strength", "drug_concept_id, amount_value, valid_start_date") == []


def test_the_shard_reads_to_its_counts(shared_data: Path, tmp_path: Path) -> None:
    paths = SitePaths.of("tiny", tmp_path)
    counts = read_vocabulary(with_folder(shared_data / "vocabulary_shard"), [], paths)
    assert counts == {
        "concept": 15560,
        "concept_relationship": 24860,
        "concept_ancestor": 115241,
        "concept_class": 423,
        "concept_synonym": 0,
        "domain": 50,
        "drug_strength": 0,
        "relationship": 696,
        "vocabulary": 59,
        "source_to_concept_map": 0,
    }
    assert rows(paths, "concept", "concept_name, vocabulary_id, count(*) over ()")[0][2] == 15560
    manifest = json.loads((paths.vocabulary / "manifest.json").read_text())
    assert manifest["rows"] == counts
    assert sorted(manifest["tables"]) == sorted(TABLES)
    assert len(manifest["hash"]) == 16


def test_a_delivery_brings_its_own(tmp_path: Path) -> None:
    config = get_site("gibleed", project_root() / "examples" / "gibleed")
    paths = SitePaths.of("gibleed", tmp_path)
    counts = read_vocabulary(config, discover(config), paths)
    assert counts["concept"] == 442
    assert counts["concept_ancestor"] == 65690
    assert rows(paths, "concept", "concept_id, concept_name").count((192671, GI_BLEED)) == 1


GI_BLEED = "Gastrointestinal hemorrhage"


def test_the_last_delivery_that_has_concepts_counts(tmp_path: Path) -> None:
    newer = ATHENA | {"CONCEPT.csv": CONCEPT.replace("Asthma", "Asthma, renamed")}
    write_files(tmp_path / "source" / "2024-01", OMOP | ATHENA)
    write_files(tmp_path / "source" / "2024-02", OMOP | newer)
    write_files(tmp_path / "source" / "2024-03", OMOP)
    config = site_of(tmp_path / "source")
    paths = SitePaths.of("tiny", tmp_path / "home")
    read_vocabulary(config, discover(config), paths)
    assert rows(paths, "concept", "concept_name")[1] == ("Asthma, renamed",)


def containers(tmp_path: Path) -> dict[str, dict[str, str | bytes]]:
    """The same two tables in other containers."""
    made = tmp_path / "made"
    made.mkdir()
    with duckdb.connect(str(made / "v.duckdb")) as connection:
        for name, text in (("concept", CONCEPT), ("concept_relationship", RELATIONSHIP)):
            (made / f"{name}.csv").write_text(text)
            connection.execute(
                f"create table {name} as from read_csv('{made}/{name}.csv', delim = '\t', "
                "quote = '', header = true, all_varchar = true)"
            )
            connection.execute(f"copy {name} to '{made}/{name}.parquet'")

    return {
        "gzip": {"concept.csv.gz": CONCEPT, "concept_relationship.csv.gz": RELATIONSHIP},
        "commas": {
            "concept.csv": with_commas(CONCEPT),
            "concept_relationship.csv": with_commas(RELATIONSHIP),
        },
        "parquet": {path.name: path.read_bytes() for path in made.glob("*.parquet")},
        "duckdb": {"v.duckdb": (made / "v.duckdb").read_bytes()},
        "shuffled": {
            "a/Concept.csv": "\n".join([CONCEPT.split("\n")[0], *CONCEPT.split("\n")[:0:-1]]),
            "b/CONCEPT_RELATIONSHIP.CSV": RELATIONSHIP + RELATIONSHIP.split("\n")[1] + "\n",
        },
    }


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    def hash_of(name: str, files: dict[str, str | bytes]) -> str:
        paths = SitePaths.of("tiny", tmp_path / "home" / name)
        read_vocabulary(with_folder(write_files(tmp_path / name, files)), [], paths)
        return str(json.loads((paths.vocabulary / "manifest.json").read_text())["hash"])

    expected = hash_of("athena", ATHENA)
    for name, files in containers(tmp_path).items():
        assert hash_of(name, files) == expected, name
    other = ATHENA | {"CONCEPT.csv": CONCEPT.replace("Asthma", "asthma")}
    assert hash_of("other", other) != expected


def test_no_concept_table(tmp_path: Path) -> None:
    expected = (
        "site tiny: no vocabulary: neither its deliveries nor `vocabulary.url` hold a concept "
        'table. Download one from Athena and set [vocabulary] source = "folder", '
        'url = "<folder>" in network/tiny.toml'
    )
    assert refusal(tmp_path / "a", {"CONCEPT_RELATIONSHIP.csv": RELATIONSHIP}) == expected
    assert refusal(tmp_path / "b", {"README": "nothing"}) == expected
    header = CONCEPT.split("\n")[0] + "\n"
    assert refusal(tmp_path / "c", ATHENA | {"CONCEPT.csv": header}) == expected


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"^site tiny: no vocabulary: "):
        read_vocabulary(with_folder(tmp_path / "x"), [], SitePaths.of("tiny", tmp_path / "home"))


def test_no_relationships(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"CONCEPT.csv": CONCEPT}) == (
        "site tiny: the vocabulary has no table concept_relationship, without which no code can be "
        "mapped; download it with the others"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda text: text.replace("concept_code", "code"),
            "site tiny: CONCEPT.csv, line 1: column `concept_code` of table concept is missing "
            "(renamed to `code`?); nothing of this delivery was taken in. Ask the source for it",
        ),
        (
            lambda text: text.replace("\tSNOMED\tDisorder\tS\t222\t20020131\t20991231\t", ""),
            "site tiny: CONCEPT.csv: 1 lines can't be read, the first is line 3; "
            "download the table again",
        ),
        (
            lambda text: text.replace("\n2\t", "\nno number\t"),
            "site tiny: CONCEPT.csv: 1 rows without a number in concept_id; "
            "download the table again",
        ),
        (
            lambda text: text.replace("Asthma", "Asthma\r").replace("\t\n1", "\t\r\n1"),
            "site tiny: CONCEPT.csv: DuckDB refuses it (InvalidInputException); export it again. "
            "Nothing of it was taken in; what was read before is intact",
        ),
    ],
)
def test_a_table_that_is_not_whole(
    tmp_path: Path, spoil: Callable[[str], str], message: str
) -> None:
    assert refusal(tmp_path, ATHENA | {"CONCEPT.csv": spoil(CONCEPT)}) == message


def with_commas(text: str) -> str:
    """Athena's file as a CSV with commas, values in quotation marks where that is needed."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(line.split("\t") for line in text.splitlines())
    return buffer.getvalue()


def test_a_quotation_mark_that_closes_in_another_row_loses_no_concept(tmp_path: Path) -> None:
    text = with_commas(CONCEPT.replace('5" tube, "sterile', "Tube"))
    text = text.replace("1,Tube,", '1,"Tube,').replace("3,Old asthma,", '3,Old asthma",')
    files: dict[str, str | bytes] = {
        "concept.csv": text,
        "concept_relationship.csv": with_commas(RELATIONSHIP),
    }
    message = refusal(tmp_path, files)
    assert message.startswith("site tiny: concept.csv: ")
    assert "download the table again" in message


@pytest.mark.parametrize("columns_agree", [True, False])
def test_rows_that_a_quotation_mark_makes_one_are_refused(
    tmp_path: Path, columns_agree: bool
) -> None:
    """The merged row has as many columns as any other, so only its lines tell of it."""
    header = "concept_id,domain_id,vocabulary_id,concept_code,concept_name"
    rows = ["1,Device,SNOMED,111,Tube", "2,Device,SNOMED,222,Cuff", "3,Device,SNOMED,333,Wire"]
    rows[0] = rows[0].replace("Tube", '"Tube')
    rows[2] = rows[2].replace("Wire", 'Wire"' if columns_agree else "Wire")
    files: dict[str, str | bytes] = {
        "concept.csv": "\n".join([header, *rows, "4,Device,SNOMED,444,Clip"]) + "\n",
        "concept_relationship.csv": with_commas(RELATIONSHIP),
    }
    message = refusal(tmp_path, files)
    assert message.startswith("site tiny: concept.csv: ")
    if columns_agree:
        assert "4 lines below the header gave 2 rows: a quotation mark is not closed" in message


def test_quotation_marks_in_names_are_read_as_they_are(tmp_path: Path) -> None:
    names = ('"', '"Tube', 'Tube"', '"Tube"', 'a "b" c', '""', '5" x 7"')
    row = "\tDevice\tSNOMED\tPhysical Object\tS\t111\t19700101\t20991231\t\n"
    lines = "".join(f"{n}\t{name}{row}" for n, name in enumerate(names, start=1))
    paths = SitePaths.of("tiny", tmp_path / "home")
    files = ATHENA | {"CONCEPT.csv": CONCEPT.split("\n")[0] + "\n" + lines}
    read_vocabulary(with_folder(write_files(tmp_path / "athena", files)), [], paths)
    assert rows(paths, "concept", "concept_id, concept_name") == list(enumerate(names, start=1))


@pytest.mark.parametrize(
    "names",
    [
        ("concept_1.csv", "concept_2.csv"),
        ("concept/part-0.csv", "concept/part-1.csv"),
        ("CONCEPT/000000000000.csv.gz", "CONCEPT/000000000001.csv.gz"),
        ("concept/part-00000-3f2a-c000.csv", "concept/part-00001-3f2a-c000.csv"),
        ("concept.csv", "concept_2.csv.gz"),
    ],
)
def test_all_parts_of_a_table_are_read(tmp_path: Path, names: tuple[str, str]) -> None:
    header, *concepts = CONCEPT.splitlines(keepends=True)
    files: dict[str, str | bytes] = {
        names[0]: header + concepts[0],
        names[1]: header + "".join(concepts[1:]),
        "CONCEPT_RELATIONSHIP.csv": RELATIONSHIP,
        "vocabulary/CONCEPT_CPT4.csv": "neither a table nor a part of one\n",
    }
    paths = SitePaths.of("tiny", tmp_path / "home")
    counts = read_vocabulary(with_folder(write_files(tmp_path / "parts", files)), [], paths)
    assert counts["concept"] == 3
    assert counts["vocabulary"] == 0


def test_parts_that_contradict_each_other(tmp_path: Path) -> None:
    files = ATHENA | {"old/concept.csv": CONCEPT.replace("Asthma", "asthma")}
    assert refusal(tmp_path, files) == (
        "site tiny: CONCEPT.csv, old/concept.csv: 1 concepts are there again with another content; "
        "leave the files of one version of the vocabulary only"
    )


def test_a_truncated_table(tmp_path: Path) -> None:
    many = CONCEPT + "".join(
        f"{n}\tA name\tDevice\tSNOMED\tPhysical Object\tS\t{n}\t19700101\t20991231\t\n"
        for n in range(10, 40_000)
    )
    broken = gzip.compress(many.encode())[:-5000]
    files: dict[str, str | bytes] = {"CONCEPT_RELATIONSHIP.csv": RELATIONSHIP}
    folder = write_files(tmp_path / "bad", files)
    (folder / "CONCEPT.csv.gz").write_bytes(broken)
    paths = SitePaths.of("tiny", tmp_path / "home")
    with pytest.raises(VocabularyError) as raised:
        read_vocabulary(with_folder(folder), [], paths)
    assert str(raised.value).startswith("site tiny: CONCEPT.csv.gz is a truncated gzip after ")
    assert not paths.vocabulary.exists()


def test_reading_again_replaces_the_vocabulary_whole(tmp_path: Path) -> None:
    paths = SitePaths.of("tiny", tmp_path / "home")
    read_vocabulary(with_folder(write_files(tmp_path / "one", ATHENA)), [], paths)
    (paths.vocabulary / "stale.parquet").write_text("from another time")
    write_files(paths.reading / "vocabulary", {"concept.parquet": "what a killed process left"})
    newer = ATHENA | {"CONCEPT.csv": CONCEPT.replace("Asthma", "Asthma, renamed")}
    read_vocabulary(with_folder(write_files(tmp_path / "two", newer)), [], paths)
    assert rows(paths, "concept", "concept_name")[1] == ("Asthma, renamed",)
    assert not (paths.vocabulary / "stale.parquet").exists()
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
