"""`pumasi pull` with a connector: what it says, and what `--dry-run` and `--full` do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pumasi.cli import main
from pumasi.config import SitePaths
from tests.extract.connectors.bulk_server import BulkServer, running_bulk_server
from tests.extract.connectors.postgres import READER_PASSWORD, Server
from tests.extract.extracts import OMOP, SYNTHEA, condition, encounter, patient
from tests.hospital import write_vocabulary

FHIR = """\
name = "Sup"
format = "fhir_r4"
[source]
connector = "fhir_bulk"
url = "{url}"
kind = "incremental"
[source.fhir_bulk]
[vocabulary]
source = "folder"
url = "../vocabulary"
"""
DATABASE = """\
name = "Bada"
format = "omop_cdm"
[source]
connector = "database"
url = "{url}"
[source.database]
schema_name = "tiny"
password_file = "../password"
[vocabulary]
source = "folder"
url = "../vocabulary"
"""
Pumasi = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bulk() -> Iterator[BulkServer]:
    with running_bulk_server() as server:
        server.polls = 0
        server.add(patient(), encounter(), condition())
        yield server


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    (tmp_path / "network").mkdir()
    write_vocabulary(tmp_path / "vocabulary")
    return tmp_path / "network"


@pytest.fixture
def pumasi(capsys: pytest.CaptureFixture[str]) -> Pumasi:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_server_is_pulled_from_until_it_has_nothing_new(
    network: Path, pumasi: Pumasi, bulk: BulkServer
) -> None:
    (network / "sup.toml").write_text(FHIR.format(url=bulk.url))
    code, out, _ = pumasi("pull", "--dry-run")
    assert code == 0
    assert "would be fetched (full):" in out
    assert [line.split()[1::2][:2] for line in out.splitlines() if "patient" in line.lower()] == [
        ["Patient", "1"]
    ]
    assert "$export" not in bulk.kinds()
    assert not SitePaths.of("sup").root.exists()
    code, out, err = pumasi("pull")
    assert code == 0
    assert "fetched 2024-06-30: full, 3 rows" in out
    assert "full, as of 2024-06-30, extracted through 2024-06-29" in out
    assert "  Patient.000.ndjson: 1 lines" in err
    bulk.now = "2024-07-31T00:00:00Z"
    code, out, _ = pumasi("pull")
    assert (code, out.splitlines()[0]) == (0, "nothing new at the source")
    assert pumasi("pull", "--dry-run")[1] == "nothing new at the source\n"
    code, out, _ = pumasi("pull", "--full")
    assert (code, out.splitlines()[0]) == (0, "fetched 2024-07-31: full, 3 rows")


def test_a_database_is_pulled_from_by_the_password_of_a_file(
    network: Path, pumasi: Pumasi, server: Server
) -> None:
    server.load("tiny", OMOP)
    (network / "bada.toml").write_text(DATABASE.format(url=server.url))
    password = network.parent / "password"
    password.write_text("wrong")
    password.chmod(0o600)
    code, out, err = pumasi("pull")
    assert (code, out) == (1, "")
    assert "user or password are wrong" in err
    password.write_text(READER_PASSWORD)
    code, out, _ = pumasi("pull")
    assert code == 0
    assert "full, 10 rows" in out
    code, out, _ = pumasi("site", "check", "bada")
    assert "deliveries landed and not yet read: 0" in out
    # A name before the @ is nobody's business on a screen.
    assert "reader" not in out


def test_a_landed_delivery_that_is_refused_is_kept_and_its_place_said(
    network: Path, pumasi: Pumasi, bulk: BulkServer
) -> None:
    (network / "sup.toml").write_text(FHIR.format(url=bulk.url))
    for _, each in bulk.resources:
        each.pop("birthDate", None)
    code, _, err = pumasi("pull")
    assert code == 1
    assert "no row of patient could be read (the first: line 1 of Patient.000.ndjson, birth" in err
    waiting = SitePaths.of("sup").landing / "deliveries" / "2024-06-30"
    assert f"To fetch it anew, remove file://{waiting} first" in err
    assert waiting.exists()


def test_a_folder_is_shown_but_not_asked_for_everything(network: Path, pumasi: Pumasi) -> None:
    for name, text in SYNTHEA.items():
        path = network.parent / "extract" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    code, _, _ = pumasi(
        "site", "add", "deul", "--folder", str(network.parent / "extract"), "--format",
        "synthea_csv", "--as-of", "2024-06-30", "--vocabulary", str(network.parent / "vocabulary"),
    )  # fmt: skip
    assert code == 0
    assert pumasi("pull", "--dry-run")[1] == "there: extract, full, as of 2024-06-30\n"
    assert not SitePaths.of("deul").raw.exists()
    code, _, err = pumasi("pull", "--full")
    assert code == 1
    assert "--full is for a database or a server" in err


def test_adding_a_database_as_a_folder_says_how_it_is_done(network: Path, pumasi: Pumasi) -> None:
    code, _, err = pumasi(
        "site", "add", "bada", "--folder", "postgresql://u:secret@h/db", "--format", "omop_cdm",
        "--as-of", "2024-06-30",
    )  # fmt: skip
    assert code == 1
    assert "a database is no folder" in err
    assert "secret" not in err
