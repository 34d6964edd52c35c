"""The command line: what it writes, what it refuses, and that the README knows every command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
import typer.main

from pumasi.cli import _cell, app, main
from pumasi.config import SitePaths, load_network, project_root
from pumasi.extract.tombstones import Tombstone, save_tombstones
from pumasi.federation.peers import Peer
from pumasi.learn.tasks import TASKS
from pumasi.quality import Outcome
from tests.extract.extracts import ndjson, patient
from tests.flower.lists import signed_list
from tests.quality.record import record
from tests.release.tiny import TinySite, failed, passed


@dataclass(frozen=True)
class Said:
    """What a run of `pumasi` gave: return code, standard output, standard error."""

    code: int
    out: str
    err: str


Pumasi = Callable[..., Said]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty network folder, an extract and a vocabulary beside it."""
    for name in ("network", "extract", "athena"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "network"


@pytest.fixture
def pumasi(capsys: pytest.CaptureFixture[str]) -> Pumasi:
    """Run one command in this process."""

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


ADD = ("site", "add", "bada", "--folder", "extract", "--as-of", "2024-01-31")
FHIR = (*ADD, "--format", "fhir_r4", "--vocabulary", "athena")


def test_adding_a_site_writes_its_file_and_keeps_the_workspace_in_step(
    network: Path, pumasi: Pumasi
) -> None:
    said = pumasi(*FHIR, "--extracted-through", "2024-01-30", "--name", "Bada Hospital")
    assert said.code == 0
    site = load_network(network)["bada"]
    assert (site.name, site.format) == ("Bada Hospital", "fhir_r4")
    assert site.source.url == str(network.parent / "extract")
    assert site.source.as_of == date(2024, 1, 31)
    assert site.source.extracted_through == date(2024, 1, 30)
    assert site.vocabulary.url == str(network.parent / "athena")
    home = network.parent / "home"
    assert "attribute: bada" in (home / "workspace.yaml").read_text(encoding="utf-8")
    assert "sites/bada" in (home / "dbt" / "profiles.yml").read_text(encoding="utf-8")


def test_a_site_file_holds_no_path_of_this_machine_and_explains_itself(
    network: Path, pumasi: Pumasi
) -> None:
    assert pumasi(*FHIR).code == 0
    text = (network / "bada.toml").read_text(encoding="utf-8")
    assert 'url = "../extract"' in text
    assert str(network.parent) not in text
    assert "# The day the extract was made" in text


def test_a_variable_in_the_folder_stays_a_variable(
    network: Path, pumasi: Pumasi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRACTS", str(network.parent))
    said = pumasi(
        "site", "add", "bada", "--folder", "${EXTRACTS}/extract", "--as-of", "2024-01-31",
        "--format", "omop_cdm",
    )  # fmt: skip
    assert said.code == 0
    assert '"${EXTRACTS}/extract"' in (network / "bada.toml").read_text(encoding="utf-8")


def test_a_dry_run_shows_the_file_and_writes_nothing(network: Path, pumasi: Pumasi) -> None:
    said = pumasi(*FHIR, "--dry-run")
    assert said.code == 0
    assert 'format = "fhir_r4"' in said.out
    assert list(network.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*ADD, "--format", "fhir"), "--format: got 'fhir', wants one of omop_cdm, fhir_r4, syn"),
        ((*ADD, "--format", "fhir_r4"), "--vocabulary is missing: fhir_r4 brings no OMOP vocabu"),
        ((*FHIR[:4], "nowhere", *FHIR[5:]), "--folder: there is no folder "),
        ((*FHIR[:-1], "nowhere"), "--vocabulary: there is no folder "),
        ((*FHIR[:2], "Bada-1", *FHIR[3:]), "'Bada-1' can't be the id of a site"),
        ((*FHIR[:2], "hub", *FHIR[3:]), "'hub' can't be the id of a site"),
        ((*FHIR, "--extracted-through", "2024-02-01"), "an extract can't cover days after it was"),
    ],
)
def test_a_site_that_could_not_work_is_refused(
    network: Path, pumasi: Pumasi, arguments: tuple[str, ...], problem: str
) -> None:
    said = pumasi(*arguments)
    assert said.code == 1
    assert said.err.startswith("Error: ")
    assert problem in said.err
    assert "Traceback" not in said.err
    assert list(network.iterdir()) == []


def test_a_broken_file_beside_it_is_named_before_anything_is_written(
    network: Path, pumasi: Pumasi
) -> None:
    (network / "sup.toml").write_text("name = =", encoding="utf-8")
    said = pumasi(*FHIR)
    assert said.code == 1
    assert "sup.toml: not a TOML file" in said.err
    assert [path.name for path in network.iterdir()] == ["sup.toml"]
    (network / "sup.toml").unlink()
    assert pumasi(*FHIR).code == 0


@pytest.mark.parametrize(
    ("form", "example"),
    [
        ("fhir_r4", "observation.value_string"),
        ("omop_cdm", "observation.value_as_string"),
        ("synthea_csv", "observations.value_text"),
    ],
)
def test_the_example_of_a_value_list_is_one_of_the_format(
    network: Path, pumasi: Pumasi, form: str, example: str
) -> None:
    assert pumasi(*ADD, "--format", form, "--vocabulary", "athena").code == 0
    file = network / "bada.toml"
    text = file.read_text(encoding="utf-8")
    assert f'# "{example}" = ["positive", "negative"]' in text
    file.write_text(text.replace("# [values]", "[values]").replace(f'# "{example}', f'"{example}'))
    assert load_network(network)["bada"].values == {example: ("positive", "negative")}


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("s3://bucket/extract", "begins with s3://: Install s3fs to access S3. Install it into"),
        ("sftp://user:secret@host/x", 'begins with sftp://: SFTPFileSystem requires "paramiko" to'),
        ("htp://host/x", "begins with htp://: there is no such protocol; did you mean http://?"),
    ],
)
@pytest.mark.parametrize("command", [("site", "check", "bada"), ("pull", "--site", "bada")])
def test_an_address_that_nothing_here_can_read_says_what_is_missing(
    network: Path, pumasi: Pumasi, command: tuple[str, ...], address: str, problem: str
) -> None:
    assert pumasi(*FHIR[:4], address, *FHIR[5:]).code == 0
    said = pumasi(*command)
    assert said.code == 1
    assert said.err.startswith(f"Error: site bada: `source.url` in network/bada.toml {problem}")
    assert "secret" not in said.err


def test_a_vocabulary_at_an_address_that_nothing_here_can_read(
    network: Path, pumasi: Pumasi
) -> None:
    extract = network.parent / "extract"
    (extract / "Patient.ndjson").write_text(ndjson(patient()), encoding="utf-8")
    assert pumasi(*FHIR[:-1], "s3://bucket/athena").code == 0
    said = pumasi("pull", "--site", "bada")
    assert said.code == 1
    assert "Error: site bada: vocabulary begins with s3://: Install s3fs" in said.err


def test_an_id_that_is_taken_is_refused_and_the_file_stays(network: Path, pumasi: Pumasi) -> None:
    assert pumasi(*FHIR).code == 0
    before = (network / "bada.toml").read_bytes()
    said = pumasi(*FHIR, "--name", "Another")
    assert said.code == 1
    assert "site 'bada' exists: edit " in said.err
    assert (network / "bada.toml").read_bytes() == before


def test_a_file_edited_by_hand_reaches_the_workspace_with_sync(
    network: Path, pumasi: Pumasi
) -> None:
    assert pumasi(*FHIR).code == 0
    (network / "sup.toml").write_bytes((network / "bada.toml").read_bytes())
    said = pumasi("site", "sync")
    workspace = network.parent / "home" / "workspace.yaml"
    assert f"wrote {workspace}" in said.out
    assert "attribute: sup" in workspace.read_text(encoding="utf-8")
    assert pumasi("site", "sync", "--print-workspace").out.strip() == str(workspace)


def test_sites_are_listed_even_if_their_variables_are_set_elsewhere(
    network: Path, pumasi: Pumasi
) -> None:
    assert pumasi(*FHIR).code == 0
    text = (network / "bada.toml").read_text(encoding="utf-8")
    (network / "sup.toml").write_text(text.replace("../extract", "${NO_SUCH}/x"), encoding="utf-8")
    said = pumasi("site", "list")
    assert said.code == 0
    assert [line.split()[1] for line in said.out.splitlines() if "fhir_r4" in line] == [
        "bada",
        "sup",
    ]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of the example, whose data a package ships."""
    monkeypatch.setenv("PUMASI_NETWORK", str(project_root() / "examples" / "gibleed"))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["Hospital [west]", "Bada [/b] Hospital", "Bada :cat: [red]"])
def test_a_hospital_is_listed_by_its_whole_name(network: Path, pumasi: Pumasi, name: str) -> None:
    assert pumasi(*FHIR, "--name", name).code == 0
    assert name in pumasi("site", "list").out


@pytest.mark.usefixtures("example")
def test_checking_the_example_hospital_says_what_will_happen(pumasi: Pumasi) -> None:
    said = pumasi("site", "check", "gibleed")
    assert said.code == 0
    assert "omop_cdm from " in said.out
    assert "as of 2019-07-03, extracted through 2019-07-03" in said.out
    assert "accepts observation_period.person_is_delivered up to 50%" in said.out


def test_checking_a_site_that_is_not_there_lists_those_that_are(pumasi: Pumasi) -> None:
    said = pumasi("site", "check", "nowhere")
    assert said.code == 1
    assert "the sites there are: bada, deul, haneul, sup" in said.err


@pytest.mark.usefixtures("example")
def test_pulling_says_what_was_read_and_pulling_again_that_it_was(pumasi: Pumasi) -> None:
    said = pumasi("pull", "--site", "gibleed")
    assert said.code == 0
    rows = {line.split()[1]: line.split()[3] for line in said.out.splitlines() if "│" in line}
    assert rows["person"] == "2,694"
    assert rows["condition_occurrence"] == "65,332"
    assert "read before, nothing to do" in pumasi("pull", "--site", "gibleed").out


@pytest.fixture
def tiny(network: Path) -> TinySite:
    """A hospital of the network with a warehouse of a few rows, and nothing sealed yet."""
    text = 'name = "Tiny"\nformat = "omop_cdm"\n[source]\nurl = "../extract"\n'
    (network / "tiny.toml").write_text(text, encoding="utf-8")
    return TinySite(network.parent / "home")


def test_a_site_without_a_release_says_what_makes_one(tiny: TinySite, pumasi: Pumasi) -> None:
    said = pumasi("release", "show")
    assert said.code == 1
    assert said.err == "Error: site tiny has no release yet: pumasi build makes one\n"


def test_releases_are_listed_with_the_latest_last(tiny: TinySite, pumasi: Pumasi) -> None:
    tiny.seal()
    tiny.seal(passed(), failed())
    lines = pumasi("release", "list").out.splitlines()
    assert [line.split()[-4] for line in lines if "UTC" in line] == ["open", "closed"]


def test_a_closed_release_is_shown_with_its_reasons_and_tables(
    tiny: TinySite, pumasi: Pumasi
) -> None:
    tiny.seal(passed(), failed())
    said = pumasi("release", "show", "--site", "tiny")
    assert said.code == 0
    assert "gate: closed" in said.out
    assert "person.birth_year_is_plausible: violated by 9 of 40" in said.out
    assert "checks failed: 1" in said.out
    assert "checks passed: 1" in said.out
    assert ["│", "person", "│", "40", "│"] in [line.split() for line in said.out.splitlines()]


WAIVER = """
[[waivers]]
check = "person.birth_year_is_plausible"
limit = 0.25
responsible = "head of the data office"
reason = "Mended in the next export."
until = 2999-12-31
"""


def test_a_release_is_shown_open_or_closed_for_each_task(tiny: TinySite, pumasi: Pumasi) -> None:
    needed = {check for task in TASKS for check in task.checks}
    lacking = "int_measurements_standardised.the_unit_of_a_number_is_known"
    tiny.seal(*(passed(check) for check in needed if check != lacking))
    lines = pumasi("release", "show").out.splitlines()
    assert lines[1:6] == [
        "gate: open",
        "gate of gi_bleed_risk: open",
        "gate of asthma_exacerbation: open",
        "gate of fabry_screening: closed",
        f"  fabry_screening needs {lacking}, which was not run",
    ]


def test_a_release_that_is_open_by_a_waiver_names_it(
    network: Path, tiny: TinySite, pumasi: Pumasi
) -> None:
    (network / "tiny.waivers.toml").write_text(WAIVER, encoding="utf-8")
    tiny.seal(passed(), failed())
    said = pumasi("release", "show")
    assert "gate: open\n" in said.out
    assert (
        "waived: person.birth_year_is_plausible up to 25.00% until 2999-12-31, head of the data "
        "office: Mended in the next export.\n"
    ) in said.out
    assert not tiny.paths.audit_log.exists(), "showing is no use"


def test_an_older_release_is_shown_closed_and_as_it_was_sealed(
    tiny: TinySite, pumasi: Pumasi
) -> None:
    older = tiny.seal(passed(), failed())
    tiny.build("delete from omop.person where year_of_birth = 1960")
    latest = tiny.seal(run_id="run-2")
    lines = pumasi("release", "show", older.id).out.splitlines()
    assert lines[1:4] == [
        "gate: closed",
        f"  it is not the latest: that is release {latest.id}, seal 2",
        "sealed closed",
    ]
    assert lines[4].startswith("  person.birth_year")


def test_no_release_is_open_while_a_withdrawal_has_not_ended(
    tiny: TinySite, pumasi: Pumasi
) -> None:
    tiny.seal(passed())
    assert "gate: open\n" in pumasi("release", "show").out
    save_tombstones(tiny.paths, [Tombstone(7, date(2026, 2, 1))])
    said = pumasi("release", "show").out
    assert "gate: closed\n  site tiny: a withdrawal did not end; `pumasi person" in said
    assert "sealed open\n" in said
    assert pumasi("release", "scorecard", "--out", "card.html").code == 0
    page = Path("card.html").read_text(encoding="utf-8")
    assert "The release is closed" in page
    assert "a withdrawal did not end" in page


def test_waivers_are_listed_with_what_becomes_of_them(
    network: Path, tiny: TinySite, pumasi: Pumasi
) -> None:
    more = WAIVER.replace("birth_year_is_plausible", "person_id_is_unique")
    over = WAIVER.replace("birth_year_is_plausible", "x").replace("2999", "2020")
    (network / "tiny.waivers.toml").write_text(WAIVER + more + over, encoding="utf-8")
    assert states(pumasi("waiver", "list")) == ["unknown", "unknown", "expired"]
    tiny.seal(passed(), failed(), passed("person.x"))
    said = pumasi("waiver", "list", "--site", "tiny", "--at", "2999-12-31")
    assert states(said) == ["in force", "not needed", "expired"]
    assert "on 2999-12-31 (UTC), by the latest release: " in said.out
    assert states(pumasi("waiver", "list", "--at", "3000-01-01")) == ["expired"] * 3


def states(said: Said) -> list[str]:
    """Last column of every row of a table."""
    assert said.code == 0, said.err
    rows = [line.split("│") for line in said.out.splitlines() if line.startswith("│")]
    return [row[-2].strip() for row in rows if row[-2].strip()]


def test_a_waiver_of_no_check_is_told_to_whoever_lists_or_shows(
    network: Path, tiny: TinySite, pumasi: Pumasi
) -> None:
    text = WAIVER.replace("birth_year_is", "birth_years_are")
    (network / "tiny.waivers.toml").write_text(text, encoding="utf-8")
    tiny.seal(passed(), failed())
    for command in (("waiver", "list"), ("release", "show")):
        said = pumasi(*command)
        assert said.code == 1
        assert "near it: person.birth_year_is_plausible" in said.err


def test_checking_a_site_says_what_is_waived(network: Path, tiny: TinySite, pumasi: Pumasi) -> None:
    (network / "tiny.waivers.toml").write_text(WAIVER, encoding="utf-8")
    (network.parent / "extract" / "person.csv").write_text("person_id\n1\n", encoding="utf-8")
    said = pumasi("site", "check", "tiny")
    assert (
        "waives person.birth_year_is_plausible up to 25% until 2999-12-31: Mended in the next "
        "export.\n"
    ) in said.out, said


def test_a_changed_byte_is_found_by_verifying(tiny: TinySite, pumasi: Pumasi) -> None:
    release = tiny.seal()
    assert (
        pumasi("release", "verify").out == f"release {release.id}: 3 tables are what was sealed\n"
    )
    table = release.table("person")
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.chmod(0o600)
    table.write_bytes(content)
    said = pumasi("release", "verify", release.id)
    assert said.code == 1
    assert "person" in said.err


def test_the_scorecard_of_the_latest_or_a_named_release_is_written(
    tiny: TinySite, pumasi: Pumasi, tmp_path: Path
) -> None:
    first = tiny.seal(passed(), failed())
    tiny.build("delete from omop.person where year_of_birth < 1960")
    latest = tiny.seal()
    beside = latest.folder / "scorecards" / "000002.html"
    assert pumasi("release", "scorecard").out == f"wrote {beside}: for the hospital only\n"
    assert "The release is open" in beside.read_text()
    named = tmp_path / "new" / "card.html"
    assert pumasi("release", "scorecard", first.id, "--out", str(named)).code == 0
    assert "The release is closed" in named.read_text()


def test_the_history_is_shown_with_what_moves_and_written(
    tiny: TinySite, pumasi: Pumasi, tmp_path: Path
) -> None:
    values = {**passed("person.a").__dict__, "denominator": 10_000, "threshold": 0.05}
    for violations in (100, 104, 97):
        tiny.seal(Outcome(**{**values, "violations": violations}))
    assert "no check that passes has moved" in pumasi("quality", "history").out
    tiny.seal(Outcome(**{**values, "violations": 180}))
    said = pumasi("quality", "history", "--out", str(tmp_path / "all.csv"))
    assert "person.a rises to 1.80%; expected 0.71% to 1.30%, allowed 5.00%" in said.out
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 5
    said = pumasi("quality", "history", "--out", str(tmp_path / "all.txt"))
    assert (said.code, "written as .parquet or .csv" in said.err) == (1, True)


def test_a_page_of_any_database_is_written_with_its_checks(
    pumasi: Pumasi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    cdm = record(months=12)
    cdm.connection.execute(f"attach '{tmp_path / 'other.duckdb'}' as other")
    cdm.connection.execute("copy from database memory to other; detach other")
    page = tmp_path / "card.html"
    database = ("--database", str(tmp_path / "other.duckdb"), "--schema", "cdm")
    said = pumasi("quality", "run", *database, "--scorecard", str(page))
    assert f"wrote {page}: for the hospital only" in said.out
    assert "other, schema cdm: OMOP CDM" in page.read_text()
    assert "<svg" in page.read_text()


def test_identifiers_of_who_withdraws_come_from_a_file_or_standard_input(
    network: Path, pumasi: Pumasi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pumasi(*FHIR).code == 0
    (network.parent / "extract" / "Patient.ndjson").write_text(ndjson(patient("a"), patient("b")))
    assert pumasi("pull").code == 1  # the vocabulary is empty, but the delivery was read
    ids = network.parent / "ids.txt"
    ids.write_text("a\r\n\n nobody-yet \n")
    said = pumasi("person", "withdraw", "--file", str(ids), "--dry-run")
    assert said.out == (
        "persons asked for: 2, 2 of them for the first time\n"
        "raw rows that would go: 1; quarantine entries: 0\n"
        "releases that would lose their tables: none\n"
        "nothing was changed\n"
    )
    said = pumasi("person", "withdraw", "--file", str(ids))
    assert "raw rows that went: 1; quarantine entries: 0\n" in said.out
    assert "pumasi build` makes it and a release without them" in said.out
    monkeypatch.setattr("sys.stdin", StringIO("b\n"))
    assert "raw rows that went: 1; quar" in pumasi("person", "withdraw").out
    monkeypatch.setattr("sys.stdin", StringIO("\n"))
    assert "no identifier was given: one a line" in pumasi("person", "withdraw").err
    assert "persons asked for: 0, 0 of" in pumasi("person", "withdraw", "--finish").out


def test_pruning_says_what_goes_and_what_that_frees(tiny: TinySite, pumasi: Pumasi) -> None:
    first = tiny.seal()
    tiny.build("delete from omop.person where year_of_birth < 1960")
    tiny.seal()
    size = sum(path.stat().st_size for path in first.folder.rglob("*.*"))
    said = pumasi("release", "prune", "--keep", "1", "--dry-run")
    assert said.out == f"would delete {first.id}\n{size:,} bytes would be freed\n"
    assert pumasi("release", "prune", "--keep", "1").out.startswith(f"deleted {first.id}\n")
    assert pumasi("release", "prune", "--keep", "0").code == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--peers", "peers.json"), "no hospital is named: give --site, or set PUMASI_SITE"),
        (("--hub-key", "ab"), "no hospital is named: give --site, or set PUMASI_SITE"),
        (("--card", "c", "--site", "tiny"), "--card is the hub's part, --site, --peers and"),
        (("--card", "c", "--peers", "peers.json"), "--card is the hub's part, --site, --peers and"),
        (("--site", "tiny", "--hub-key", "ab"), "no list is given: name its file with --peers"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_enrolling_with_options_of_two_parts_makes_no_key(
    network: Path, pumasi: Pumasi, arguments: tuple[str, ...], problem: str
) -> None:
    (network / "hub.toml").write_text('name = "T"\ndescription = "Made up."\n', encoding="utf-8")
    said = pumasi("network", "enrol", *arguments)
    assert said.code == 1
    assert problem in said.err
    home = network.parent / "home"
    assert not (home / "hub").exists()
    assert not list(home.glob("sites/*/keys"))


@pytest.mark.usefixtures("tiny")
def test_enrolling_is_the_part_of_the_hospital_that_the_variable_names(
    network: Path, pumasi: Pumasi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMASI_SITE", "tiny")
    (network / "hub.toml").write_text('name = "T"\ndescription = "Made up."\n', encoding="utf-8")
    said = pumasi("network", "enrol")
    assert said.code == 0
    assert said.out.startswith("for the hub, public parts only: ")
    home = network.parent / "home"
    assert not (home / "hub").exists(), "the hub's keys are made elsewhere"

    text, public = signed_list([Peer.from_file(SitePaths.of("tiny").card)])
    (network.parent / "peers.json").write_text(text, encoding="utf-8")
    said = pumasi("network", "enrol", "--peers", "peers.json", "--hub-key", public.hex())
    assert (said.code, said.out.splitlines()[0]) == (0, "edition 1: tiny")
    assert SitePaths.of("tiny").hub_key.read_text(encoding="utf-8").strip() == public.hex()

    # The hub's part is a program of its own, which would take the place of this one.
    card = str(SitePaths.of("tiny").card)
    start = "from pumasi.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, "network", "enrol", "--card", card],
        env={**os.environ, "PYTHONPATH": str(project_root())},
        check=False,
    )
    assert done.returncode == 0, "a card is the hub's part, whatever the variable names"
    assert (home / "hub" / "network" / "peers.json").exists()


def test_a_named_run_is_forgotten_now_and_others_after_a_year(
    network: Path, pumasi: Pumasi
) -> None:
    records = network.parent / "home" / "hub" / "transcripts"
    for run in ("first", "second", "old"):
        (records / run / "exchange").mkdir(parents=True)
        (records / run / "exchange" / "request").write_bytes(b"sums")
    for place in (records / "old" / "exchange" / "request", records / "old" / "exchange"):
        os.utime(place, (0, 0))
    said = pumasi("network", "forget", "first", "--days", "30")
    assert said.out == "the records of run first stay: it ended less than 30 days ago (--days)\n"
    assert (records / "first").exists()
    assert pumasi("network", "forget", "first").out == "removed the records of 1 runs, first\n"
    assert not (records / "first").exists()
    assert pumasi("network", "forget").out == "removed the records of 1 runs, old\n"
    assert [place.name for place in records.iterdir()] == ["second"]


def commands(command: object, path: tuple[str, ...] = ("pumasi",)) -> Iterator[tuple[str, str]]:
    """Every command as the user types it, with its help."""
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from commands(inner, (*path, name))
        else:
            yield " ".join((*path, name)), inner.help or ""


def test_every_command_has_help() -> None:
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) >= 7
    assert [command for command, text in found.items() if not text] == []


def test_every_command_is_in_the_readme() -> None:
    readme = (project_root() / "README.md").read_text(encoding="utf-8")
    found = dict(commands(typer.main.get_command(app)))
    assert [command for command in found if command not in readme] == []


def test_vocabulary_diff_prints_sets_and_cohorts(pumasi: Pumasi, tmp_path: Path) -> None:
    source = project_root() / "pumasi" / "omop" / "vocabulary"
    other = tmp_path / "other"
    other.mkdir()
    for path in source.glob("*.csv"):
        (other / path.name).write_bytes(path.read_bytes())
    with (other / "concept_ancestor.csv").open("a") as stream:
        stream.write("317009\t257007\t1\t1\tD\n")
    assert "no concept set changes" in pumasi("vocabulary", "diff", "project", "project").out
    said = pumasi("vocabulary", "diff", "project", str(other))
    assert said.code == 0
    assert "any_asthma" in said.out
    assert "asthma__cohort" in said.out
    refused = pumasi("vocabulary", "diff", "project", str(tmp_path / "nowhere"))
    assert refused.code == 1
    assert refused.err.startswith("Error: vocabulary ")
    helped = " ".join(pumasi("vocabulary", "diff", "--help").out.split())
    assert "fewer than 10 are not printed" in helped


SLOW_TO_END = """
import pathlib, sys, time
try:
    print("before", flush=True)
    time.sleep(60)
finally:
    time.sleep(1.5)
    pathlib.Path(sys.argv[1]).touch()
"""


def test_a_program_that_ctrl_c_ends_has_the_time_that_it_needs_for_it(tmp_path: Path) -> None:
    (tmp_path / "slow_to_end.py").write_text(SLOW_TO_END, encoding="utf-8")
    ended = tmp_path / "ended"
    start = f"from pumasi.cli import _run; _run('slow_to_end', [{str(ended)!r}], {{}})"
    program = subprocess.Popen(
        [sys.executable, "-c", start],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{project_root()}"},
        start_new_session=True,
    )
    assert program.stdout
    assert program.stdout.readline() == b"before\n"
    # As a terminal does it: to all that was started in it.
    os.killpg(program.pid, signal.SIGINT)
    program.wait(timeout=30)
    assert ended.exists()


@pytest.mark.parametrize(
    ("persons", "cell"), [(None, ""), (0, "< 10"), (9, "< 10"), (10, "10"), (1234, "1,234")]
)
def test_a_small_number_of_persons_is_not_printed(persons: int | None, cell: str) -> None:
    assert _cell(persons) == cell
