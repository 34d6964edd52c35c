"""The sections of the connectors: what they may say, and that no address shows its password."""

from pathlib import Path

import pytest

from pumasi.config import load_site, shown
from pumasi.errors import ConfigError, DeliveryError
from pumasi.extract import discover

DATABASE = """\
name = "Bada"
format = "omop_cdm"
[source]
connector = "database"
url = "postgresql://reader@db.example/dw"
kind = "incremental"
[source.database]
schema_name = "omop"
password_file = "bada.password"
watermark = "updated_at"
"""
FHIR = """\
name = "Sup"
format = "fhir_r4"
[source]
connector = "fhir_bulk"
url = "https://fhir.example/r4"
[source.fhir_bulk]
token_env = "SUP_TOKEN"
"""


def problem_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        site_of(folder, text)
    assert "hush" not in str(raised.value)
    return str(raised.value)


def site_of(folder: Path, text: str) -> object:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def test_paths_of_secrets_start_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(DATABASE, encoding="utf-8")
    site = load_site(tmp_path / "tiny.toml")
    assert site.source.database is not None
    assert site.source.database.password_file == str(tmp_path / "bada.password")
    assert (site.source.database.overlap_minutes, site.source.database.lag_days) == (60, 1)


@pytest.mark.parametrize(
    ("text", "before", "after", "problem"),
    [
        (DATABASE, "reader@", "reader:hush@", "got a url with a password, wants it without: name"),
        (DATABASE, "/dw", "/dw?password=hush", "got a url with a password, wants it without"),
        (DATABASE, "reader@", "reader:${TINY_PW}@", "got a url with a password, wants it without"),
        (DATABASE, "postgresql://reader@db.example/dw", "../extract", "wants postgresql://<user>@"),
        (DATABASE, 'schema_name = "omop"', "", "schema_name is missing; wants the schema of the"),
        (DATABASE, "schema_name", "schema", "source.database.schema is not a key of this file"),
        (DATABASE, 'watermark = "updated_at"', "", "got kind = 'incremental' and no watermark"),
        (DATABASE, "incremental", "full", "got a watermark and kind = 'full', wants kind = 'inc"),
        (
            DATABASE,
            "password_file",
            'password_env = "X"\npassword_file',
            "got password_env and pa",
        ),
        (DATABASE, '"bada.password"', '"${TINY_PW}"', "password_file: leads to no file, wants the"),
        (
            DATABASE,
            'password_file = "bada.password"',
            'password_env = "hush!"',
            "source.database.password_env: wants the name of a variable, such as",
        ),
        (FHIR, '"SUP_TOKEN"', '"hush-hush"', "token_env: wants the name of a variable, such as"),
        (DATABASE, '"database"', '"folder"', "got a section [source.database] and connector = 'f"),
        (DATABASE, '"database"', '"dtabase"', "got 'dtabase', wants 'folder', 'database' or 'fhir"),
        (DATABASE, "omop_cdm", "fhir_r4", "source.connector: got database for the format fhir_r4"),
        (FHIR, "fhir_r4", "omop_cdm", "source.connector: got fhir_bulk for the format omop_cdm"),
        (FHIR, "https://", "http://", "http:// only on this machine, because a token goes with"),
        (FHIR, "https://", "https://u:hush@", "got a url with a user, wants it without: name a"),
        (FHIR, "[source.fhir", "as_of = 2024-01-31\n[source.fhir", "the FHIR server states them"),
        (
            FHIR,
            "token_env",
            'export = "Group/$export"\ntoken_env',
            "export: wants $export, Patient/$export or Group/<id>/$ex",
        ),
        (FHIR, "token_env", "patience_hours = 0\ntoken_env", "patience_hours: got 0, wants"),
    ],
)
def test_a_section_that_could_not_work_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    before: str,
    after: str,
    problem: str,
) -> None:
    monkeypatch.setenv("TINY_PW", "hush")
    assert problem in problem_of(tmp_path, text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/data/a@b/extract", "/data/a@b/extract"),
        ("s3://bucket/extract", "s3://bucket/extract"),
        ("sftp://user:hush@host/extract", "sftp://host/extract"),
        ("postgresql://user:hu@/sh@host:5432/dw?password=hush", "postgresql://host:5432/dw"),
        ("https://host/x?sig=hush", "https://host/x"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(url: str, said: str) -> None:
    assert shown(url) == said


def test_a_folder_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    text = 'name = "T"\nformat = "omop_cdm"\n[source]\nurl = "memory://user:hush@nowhere/x"\n'
    (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DeliveryError) as raised:
        discover(load_site(tmp_path / "tiny.toml"))
    assert "the source folder memory://nowhere/x does not exist" in str(raised.value)
