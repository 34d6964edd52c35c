"""The steward's commands: a key, an approval from draft to end, the log and its anchors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from pumasi import audit
from pumasi.cli import app, main
from pumasi.config.paths import SitePaths

SITE = """
name = "Bada"
format = "omop_cdm"
[source]
url = "extract"
kind = "full"
as_of = 2026-01-31
extracted_through = 2026-01-31
[vocabulary]
source = "delivery"
"""
DRAFT = """
id = "asthma"
subject = "asthma_exacerbation"
kinds = ["learning"]
contributors = ["bada", "deul", "sup"]
expires = 2099-12-31
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "bada.toml").write_text(SITE)
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PUMASI_STEWARD_PASSPHRASE", "secret")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    found = capsys.readouterr()
    return int(ended.value.code or 0), found.out + found.err


def test_an_approval_from_its_draft_to_its_end(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "steward", "key", "--out", "steward.pem")[0] == 0
    contributors = ("--contributor", "sup", "--contributor", "deul")
    code, draft = said(
        capsys, "approval", "draft", "asthma_exacerbation", *contributors, "--expires", "2099-12-31"
    )
    assert code == 0
    assert "with the steward's key." in draft
    assert "or without the outcome, in sums; 3 or more; the network asks for 10\n" in draft
    (home / "asthma.toml").write_text(draft)
    assert said(capsys, "approval", "sign", "asthma.toml", "--key", "other.pem") == (
        1,
        "Error: other.pem: the steward's key can't be read: No such file or directory\n",
    )
    code, text = said(capsys, "approval", "sign", "asthma.toml", "--key", "steward.pem")
    assert (code, "bada answers descriptive, learning queries on asthma_exacerbation" in text) == (
        0,
        True,
    )
    assert "with bada, deul, sup until 2099-12-31" in text
    assert "valid" in said(capsys, "approval", "list")[1]
    assert said(capsys, "approval", "revoke", "asthma_exacerbation")[0] == 0
    assert "revoked" in said(capsys, "approval", "list")[1]


def test_a_wrong_draft_names_its_fields(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "steward", "key", "--out", "steward.pem")
    (home / "asthma.toml").write_text('id = "asthma"\nminimum_persons = 5\n')
    code, text = said(capsys, "approval", "sign", "asthma.toml", "--key", "steward.pem")
    assert code == 1
    assert "minimum_persons: Input should be greater than or equal to 10" in text
    assert "expires: Field required" in text


def test_a_draft_whose_last_day_is_over_is_not_signed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "steward", "key", "--out", "steward.pem")
    (home / "asthma.toml").write_text(DRAFT.replace("2099", "2025"))
    code, text = said(capsys, "approval", "sign", "asthma.toml", "--key", "steward.pem")
    assert code == 1
    assert "Error: asthma.toml: it ended on 2025-12-31, so nothing would be answered" in text
    assert not SitePaths.of("bada").approvals.exists()


def test_what_is_signed_without_a_key_of_the_hospital_is_told_what_makes_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "asthma.toml").write_text(DRAFT)
    code, text = said(capsys, "approval", "sign", "asthma.toml", "--key", "steward.pem")
    assert code == 1
    assert "Error: bada has no steward's key: the steward makes one with `pumasi steward" in text


def test_a_file_that_is_no_text_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "other").write_bytes("천식".encode("cp949"))
    code, text = said(capsys, "approval", "sign", "other", "--key", "steward.pem")
    assert (code, text.startswith("Error: other: can't be read (")) == (1, True)
    code, text = said(capsys, "audit", "verify", "--anchor", "other")
    assert (code, text.startswith("Error: other can't be read (UnicodeDecodeError)")) == (1, True)


def test_a_key_without_a_passphrase_signs_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "steward", "key", "--out", "steward.pem", "--passphrase", "")
    assert (code, "an empty passphrase protects no key" in text) == (1, True)
    said(capsys, "steward", "key", "--out", "steward.pem")
    (home / "asthma.toml").write_text(DRAFT)
    plain = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (home / "plain.pem").write_bytes(plain)
    code, text = said(capsys, "approval", "sign", "asthma.toml", "--key", "plain.pem")
    assert (code, "plain.pem is a key without a passphrase" in text) == (1, True)
    sign = ("approval", "sign", "asthma.toml", "--key", "steward.pem", "--passphrase", "")
    assert said(capsys, *sign)[0] == 1


@pytest.mark.usefixtures("home")
def test_a_new_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUMASI_STEWARD_PASSPHRASE")
    asked = CliRunner().invoke(app, ["steward", "key", "--out", "a.pem"], input="one\ntwo\n")
    assert "do not match" in asked.output
    assert not Path("a.pem").exists()
    asked = CliRunner().invoke(app, ["steward", "key", "--out", "a.pem"], input="one\none\n")
    assert asked.exit_code == 0
    assert Path("a.pem").exists()


def test_the_log_is_verified_with_and_without_an_anchor(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = SitePaths.of("bada")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    about = {"subject": "asthma", "outcomes": ["attack"], "run": "r", "exchange": 1}
    for event in ("intended", "sent", "intended"):
        audit.append(paths, now, event, about)
    _, head = said(capsys, "audit", "head")
    (home / "anchors").write_text(head)
    code, text = said(capsys, "audit", "verify", "--anchor", "anchors")
    assert (code, "3 lines" in text, "1 anchors hold" in text) == (0, True, True)
    log = paths.audit_log.read_bytes().splitlines(keepends=True)
    paths.audit_log.write_bytes(b"".join(log[:2]))
    code, text = said(capsys, "audit", "verify")
    assert (code, "nobody can tell whether the end was cut off" in text) == (0, True)
    code, text = said(capsys, "audit", "verify", "--anchor", "anchors")
    assert (code, "line 3 was there and is not: the end was cut off" in text) == (1, True)


def test_the_log_is_a_page_that_names_what_did_not_leave(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = SitePaths.of("bada")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    about = {"subject": "asthma", "run": "0123456789", "exchange": 1}
    audit.append(paths, now, "intended", {**about, "queries": ["moments 12ab"]})
    audit.append(paths, now, "sent", about)
    audit.append(paths, now, "refused", {**about, "exchange": 2, "refusal": "not_approved"})
    code, text = said(capsys, "audit", "show", "--out", "log.html")
    assert (code, "wrote log.html" in text) == (0, True)
    page = (home / "log.html").read_text()
    assert "Of every answer that was about to leave a line says that it did" in page
    assert "refusal: not_approved" in page and "queries: moments 12ab" in page
    audit.append(paths, now, "intended", {**about, "exchange": 3})
    said(capsys, "audit", "show", "--out", "log.html")
    assert "1 answers were about to leave" in (home / "log.html").read_text()


def test_looks_are_all_earlier_answers_on_the_same_outcome(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = SitePaths.of("bada")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for subject, outcome in (("first", "attack"), ("other", "death"), ("second", "attack")):
        about = {"subject": subject, "outcomes": [outcome], "queries": ["glm_step"]}
        audit.append(paths, now, "intended", about)
        audit.append(paths, now, "sent", {"subject": subject})
    code, text = said(capsys, "audit", "looks", "--study", "second")
    assert code == 0
    assert "first" in text and "second" in text
    assert "other" not in text
    assert json.loads(paths.audit_log.read_text().splitlines()[0])["number"] == 1
