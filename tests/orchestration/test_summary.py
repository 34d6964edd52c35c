"""What is printed at the end of a build: a hospital's own words stand as they are."""

from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.summary import _print_gate, _tables
from pumasi.config import get_site
from pumasi.extract.tombstones import Tombstone, save_tombstones
from tests.release.tiny import TinySite, failed, passed

SITE = """\
name = "Tiny [/b] hospital"
format = "omop_cdm"

[source]
url = "extract"
"""
WAIVER = """
[[waivers]]
check = "person.birth_year_is_plausible"
limit = 0.25
responsible = "[data office]"
reason = "Mended in the [next] export."
until = 2999-12-31
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinySite:
    """A hospital whose name and waivers have brackets."""
    network = tmp_path / "network"
    network.mkdir()
    (network / "tiny.toml").write_text(SITE)
    (network / "tiny.waivers.toml").write_text(WAIVER)
    monkeypatch.setenv("PUMASI_NETWORK", str(network))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path))
    return TinySite(tmp_path)


def test_names_and_reasons_are_printed_with_their_brackets(
    tiny: TinySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.summary.SHOWN", ("person", "condition_occurrence"))
    release = tiny.seal(passed(), failed(), failed("person.[b]_is_known"))
    said = StringIO()
    console = Console(file=said, width=200)
    console.print(_tables(get_site("tiny"), release))
    _print_gate(get_site("tiny"), release, console)
    assert "Tiny [/b] hospital, release" in said.getvalue()
    assert "[data office]: Mended in the [next] export." in said.getvalue()
    assert "- person.[b]_is_known: violated by 9 of 40" in said.getvalue()


def test_no_gate_is_printed_open_while_a_withdrawal_has_not_ended(tiny: TinySite) -> None:
    release = tiny.seal(passed(), failed())
    save_tombstones(tiny.paths, [Tombstone(7, date(2026, 2, 1))])
    said = StringIO()
    _print_gate(get_site("tiny"), release, Console(file=said, width=200))
    assert "gate: CLOSED\n  - site tiny: a withdrawal did not end" in said.getvalue()
