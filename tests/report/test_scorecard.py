"""The page: verdict and numbers; it is whole in itself, escapes, and shows no small cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pumasi.config import SiteConfig
from pumasi.config.waivers import Waiver, Waivers
from pumasi.learn.tasks import TASKS
from pumasi.quality import Check, Outcome, Severity, could_not_check, judge
from pumasi.quality.catalogue import concrete_checks, run_catalogue
from pumasi.quality.characterisation import FILE, characterise, write_characterisation
from pumasi.quality.drift import drift_outcomes
from pumasi.quality.series import series_outcomes
from pumasi.report.figures import figures
from pumasi.report.remedies import remedy
from pumasi.report.scorecard import catalogue_scorecard, release_scorecard
from tests.browser import browser_page
from tests.quality.record import CREATININE, characterised, compared, record
from tests.release.tiny import TinySite, failed, passed

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CONFIG = SiteConfig.model_validate(
    {
        "id": "tiny",
        "name": "Tiny <b>&</b> hospital",
        "format": "fhir_r4",
        "source": {"url": "extract", "as_of": date(2026, 3, 1)},
        "thresholds": [
            {
                "check": "person.birth_year_is_plausible",
                "limit": 0.05,
                "reason": "agreed with <script>",
                "decided": date(2026, 1, 2),
            }
        ],
    }
)


def sealed(
    site: TinySite, *outcomes: Outcome, persons: int = 200, changes: Sequence[str] = ()
) -> str:
    """The page of a build with these outcomes, whose tables hold the record after the changes."""
    site.write()
    found = characterised(record(months=12, persons=persons), *changes)
    write_characterisation(found, site.paths.candidate / FILE)
    return release_scorecard(CONFIG, site.paths, site.seal_written(*outcomes), Waivers(), NOW)


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.replace("<wbr>", "")))


class Tags(HTMLParser):
    """Every start tag of a page with its attributes, and whether each tag is closed."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "wbr", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_an_open_release_says_so_first_and_for_which_task_it_is_closed(site: TinySite) -> None:
    said = text(sealed(site, passed()))
    assert said.index("The release is open") < said.index("Tasks")
    assert "✗ closed gi_bleed_risk needs person.gender_is_known, which was not run" in said


def test_a_release_that_is_not_the_latest_is_closed_for_everything(site: TinySite) -> None:
    needed = {check for task in TASKS for check in task.checks}
    older = site.seal(*map(passed, needed))
    page = text(release_scorecard(CONFIG, site.paths, older, Waivers(), NOW))
    assert "✓ The release is open" in page
    site.build("delete from omop.person where year_of_birth = 1960")
    latest = site.seal(passed())
    page = text(release_scorecard(CONFIG, site.paths, older, Waivers(), NOW))
    reason = f"it is not the latest: that is release {latest.id}, seal 2"
    assert f"✗ The release is closed on {NOW:%Y-%m-%d} {reason}" in page
    assert page.count(f"✗ closed {reason}") == len(TASKS)
    assert "✓ open" not in page


def test_a_closed_release_gives_the_reasons_and_what_to_do(site: TinySite) -> None:
    page = sealed(site, passed(), failed("person.sex_is_an_accepted_value"))
    said = text(page)
    assert "✗ The release is closed" in said
    assert "person.sex_is_an_accepted_value: violated by 9 of 40 (22.50%)" in said
    assert "Add it to the seed that lists what it means" in said


def test_checks_are_counted_by_category_context_and_status(site: TinySite) -> None:
    broken = could_not_check(
        Check("person.b", "person", "completeness", Severity.WARN, "dbt"), "Error"
    )
    page = sealed(site, passed("person.a"), passed("visit.a"), failed(), broken)
    rows = re.findall(r"<tr>(.*?)</tr>", page.replace("\n", ""))
    counted = [re.findall(r">([^<>]+)<", row.replace("<wbr>", "")) for row in rows]
    assert ["conformance", "verification", "2", "1", "0", "0"] in counted
    assert ["completeness", "verification", "0", "0", "0", "1"] in counted
    assert ["person", "1", "1", "0", "1"] in counted


def test_thresholds_and_waivers_stand_with_their_reasons(site: TinySite) -> None:
    site.write()
    waiver = Waiver(
        check="person.a",
        limit=0.25,
        responsible="Head of records",
        reason="until mended",
        until=NOW.date(),
    )
    release = site.seal_written(failed("person.a"))
    granted = Waivers(waivers=(waiver,))
    said = text(release_scorecard(CONFIG, site.paths, release, granted, NOW))
    assert f"The release is open on {NOW:%Y-%m-%d}" in said
    assert "person.birth_year_is_plausible 5.00% of the rows 2026-01-02 no end agreed with" in said
    accepted = f"25.00% of the rows, by Head of records {NOW:%Y-%m-%d} until mended"
    assert f"person.a {accepted}" in said

    later = text(release_scorecard(CONFIG, site.paths, release, granted, NOW + timedelta(days=1)))
    assert f"The release is closed on {NOW + timedelta(days=1):%Y-%m-%d}" in later
    assert accepted not in later


def test_what_moves_is_told_with_what_was_expected(site: TinySite) -> None:
    values = {**passed("person.has_a_name").__dict__, "denominator": 10_000, "threshold": 0.05}
    for violations in (100, 104, 97):
        site.seal(Outcome(**{**values, "violations": violations}))
    said = text(sealed(site, Outcome(**{**values, "violations": 180})))
    assert "person.has_a_name ▲ rises 1.80% 0.71% to 1.30% 5.00%" in said


def test_a_build_that_was_not_characterised_says_so(site: TinySite) -> None:
    page = release_scorecard(CONFIG, site.paths, site.seal(), Waivers(), NOW)
    assert "The tables of this build were not characterised" in page
    assert "<svg" not in page


def test_the_page_is_whole_in_itself_and_runs_nothing(site: TinySite) -> None:
    page = sealed(site, passed(), failed())
    assert not re.search(r"https?:|//\w|url\(|@import|javascript:", page)
    found = Tags(page)
    assert found.open == []
    assert {"script", "link", "img", "iframe"} & {tag for tag, _ in found.tags} == set()
    loading = {"src", "srcset", "href", "onload", "onclick"}
    assert [each for _, each in found.tags if loading & each.keys()] == []


def test_what_others_wrote_is_escaped(site: TinySite) -> None:
    page = sealed(site, passed(), failed("person.<img>"))
    assert "Tiny &lt;b&gt;&amp;&lt;/b&gt; hospital" in page
    assert "<script" not in page
    assert "<img" not in page


def test_it_can_be_read_without_seeing_it(site: TinySite) -> None:
    page = sealed(site, passed())
    found = Tags(page)
    assert ("html", {"lang": "en"}) in found.tags
    assert page.count("<caption>") == page.count("<table")
    assert all(each.get("aria-label") for tag, each in found.tags if tag == "svg")
    assert next(tag for tag, _ in found.tags if re.fullmatch(r"h\d", tag)) == "h1"
    assert page.count("<h1") == 1


def test_no_person_and_no_cell_of_few_persons_is_on_it(site: TinySite) -> None:
    page = sealed(site, passed(), persons=9)
    assert "For the hospital only" in page
    assert not re.search(r"person_id\W+\d", page)
    assert '<rect class="bar' not in page
    assert "too few persons in most months to be shown" in page


def test_deaths_of_a_small_hospital_are_no_line_of_zeros() -> None:
    """Of 12 months 5 have a death, and no month has enough of them: seven zeros say nothing."""
    cdm = record(months=12, persons=40)
    cdm.connection.execute(
        "insert into death (person_id, death_date) "
        "select i, date '2020-01-15' + to_months(2 * i) from range(5) r(i)"
    )
    found = {each.title: each for each in figures(characterise(cdm)).months}
    assert found["death"].plot == ""
    assert found["death"].note.startswith("too few persons in most months to be shown: records")
    assert found["visit_occurrence"].plot


def test_cells_of_ten_persons_are_drawn_and_of_nine_left_out() -> None:
    def plots(persons: int) -> list[str]:
        cdm = record(months=12, persons=persons)
        return [each.plot for each in figures(characterise(cdm)).months]

    assert all("<polyline" in plot for plot in plots(10))
    assert all(plot == "" for plot in plots(9))


def test_a_marts_few_rows_are_not_printed(site: TinySite) -> None:
    said = text(sealed(site, passed()))
    assert "asthma__cohort fewer than 10" in said
    assert "condition_occurrence 200" in said


def test_histograms_have_their_unit_and_bars_at_their_places(site: TinySite) -> None:
    (histogram,) = figures(characterise(record(months=12))).tests
    assert histogram.title == "Creatinine"
    assert histogram.note == "2,400 results of 200 persons"
    assert "milligram per deciliter" in histogram.plot
    assert histogram.plot.count("<rect") == 24


def test_a_database_of_others_gets_a_page_without_a_gate() -> None:
    cdm = record(months=12)
    checks = [c for c in concrete_checks() if c.table in ("person", "visit_occurrence")]
    results = run_catalogue(cdm, checks)
    page = catalogue_scorecard(cdm, "db, schema <cdm>", results, characterise(cdm))
    said = text(page)
    assert "A gate would be" in said
    assert "db, schema &lt;cdm&gt;" in page
    assert "validation" in said
    assert "Tasks" not in said
    assert "What moves" not in said


def test_every_check_has_something_to_do_about_it(tmp_path: Path) -> None:
    now = compared(record(), tmp_path)
    outcomes = [*series_outcomes(now.characterised), *drift_outcomes(now, None)]
    said = {remedy(outcome) for outcome in outcomes}
    assert len(said) == 9
    assert not any(each.startswith("See DATA_QUALITY.md") for each in said)
    assert f"measurement.{CREATININE}_values_are_as_before" in {o.name for o in outcomes}


def test_a_check_that_broke_is_told_from_one_that_failed() -> None:
    check = Check("a.has_rows", "a", "completeness", Severity.WARN, "great_expectations")
    assert remedy(judge(check, 0, 0)).startswith("No row arrived")
    assert remedy(could_not_check(check, "x")).startswith("The check itself broke")


LONG_NAMES = (
    f"update concept set concept_name = 'Asthma_{'x' * 80}' where concept_id = 317009",
    f"update condition_occurrence set condition_concept_id = 0, "
    f"condition_source_value = '{'code of nowhere ' * 3}' where person_id % 4 = 0",
)


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_screen(
    site: TinySite, tmp_path: Path, chromium: Path, width: int
) -> None:
    failing = (failed(), failed("person.a_very_long_name_" + "x" * 80))
    page = sealed(site, passed(), *failing, changes=LONG_NAMES)
    assert "No code of" not in page
    (tmp_path / "card.html").write_text(page)
    with browser_page(chromium, width) as shown:
        shown.goto((tmp_path / "card.html").as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.locator("svg").first.is_visible()
