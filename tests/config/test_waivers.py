"""A file of waivers says what it means, or the error says what it should have said."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pumasi.config import load_network, load_waivers
from pumasi.errors import ConfigError
from tests.config.test_site import GOOD as SITE
from tests.config.test_site import write_site

GOOD = """\
timezone = "Asia/Seoul"

[[waivers]]
check = "measurement.visit_is_delivered"
limit = 0.05
responsible = "head of the data office"
reason = "Visits of the day clinic come with the next export."
until = 2026-12-31
"""


def problem_of(folder: Path, text: str) -> str:
    write_site(folder, text, "bada.waivers.toml")
    with pytest.raises(ConfigError) as raised:
        load_waivers("bada", folder)
    return str(raised.value)


def test_a_waiver_is_read_from_the_file_beside_the_sites(tmp_path: Path) -> None:
    write_site(tmp_path, SITE)
    write_site(tmp_path, GOOD, "bada.waivers.toml")
    (waiver,) = load_waivers("bada", tmp_path).waivers
    assert (waiver.check, waiver.limit) == ("measurement.visit_is_delivered", 0.05)
    assert (waiver.responsible, waiver.until) == ("head of the data office", date(2026, 12, 31))
    assert list(load_network(tmp_path)) == ["bada"]


def test_a_site_without_the_file_has_no_waivers(tmp_path: Path) -> None:
    assert load_waivers("bada", tmp_path).waivers == ()


def test_a_day_is_that_of_the_hospital(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD, "bada.waivers.toml")
    evening = datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert load_waivers("bada", tmp_path).day(evening) == date(2027, 1, 1)
    assert load_waivers("other", tmp_path).day(evening) == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("good", "wrong", "problem"),
    [
        ("until = 2026-12-31\n", "", "waivers.0.until is missing; wants the last day on which it"),
        (
            "2026-12-31",
            '"2026-12-31"',
            "waivers.0.until: got '2026-12-31', wants a date without qu",
        ),
        ("limit = 0.05", "limit = 0.0", "waivers.0.limit: got 0.0, wants greater than 0"),
        ("limit = 0.05", "limit = 5", "waivers.0.limit: got 5, wants less than or equal to 1"),
        (
            "responsible =",
            "responsibles =",
            "waivers.0.responsibles is not a key of this file; did",
        ),
        ('"head of the data office"', '" "', "waivers.0.responsible: got ' ', wants a text that"),
        ("Asia/Seoul", "Seoul", "timezone: got Seoul, wants a name such as Asia/Seoul"),
    ],
)
def test_a_mistake_is_answered_with_what_it_got_and_what_it_wants(
    tmp_path: Path, good: str, wrong: str, problem: str
) -> None:
    assert good in GOOD
    text = GOOD.replace(good, wrong, 1)
    assert f"{tmp_path}/bada.waivers.toml: {problem}" in problem_of(tmp_path, text)


def test_a_check_has_one_waiver(tmp_path: Path) -> None:
    twice = GOOD + GOOD[GOOD.index("[[waivers]]") :]
    assert problem_of(tmp_path, twice).endswith(
        "waivers: got several for measurement.visit_is_delivered, wants one waiver per check"
    )


def test_waivers_of_no_site_are_refused(tmp_path: Path) -> None:
    write_site(tmp_path, SITE)
    write_site(tmp_path, GOOD, "bda.waivers.toml")
    with pytest.raises(
        ConfigError, match=r"there is no site 'bda'; did you mean bada\.waivers\.to"
    ):
        load_network(tmp_path)
