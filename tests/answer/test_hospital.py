"""A hospital answers by its own rules: approval, gate, contributors, differencing, log, airlock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from pumasi import audit
from pumasi.answer.hospital import Hospital
from pumasi.disclosure.answered import Answered
from pumasi.disclosure.approval import Approval, make_steward_key, revoke, sign
from pumasi.disclosure.differencing import Persons
from pumasi.errors import FederationError, RefusalError, SuppressedError
from pumasi.estimate.glm import Glm, fit_glm
from pumasi.estimate.private_logistic import Bounded, PrivateLogistic, fit_private_logistic
from pumasi.federation.masks import MaskKey
from pumasi.federation.messages import Mode, Privacy, Request
from pumasi.federation.network import InProcess, Run
from pumasi.federation.queries import (
    CoxStep,
    EventGrid,
    Family,
    Fit,
    FollowUp,
    GlmStep,
    Grid,
    Moments,
    OwnPerformance,
)
from pumasi.federation.query import Kind, Query
from pumasi.federation.rows import ALL_PERSONS, Design, Keys
from pumasi.learn.task import LEARNING, TESTING, Task
from tests.release.tiny import NOON, TinySite, failed, passed

NAMES = ("bada", "sup", "deul")
TASK = Task(
    name="made_up",
    table="asthma__cohort",
    features=("age", "is_female"),
    outcome="has_event",
    excluded_when=("is_excluded",),
)
MART = """
    create or replace table marts.asthma__cohort as
    select
        (i * 7919) % 10007 as person_id,
        (i * 37) % 100 as split_key,
        case when i % 50 <> 7 then 20 + i % 60 end as age,
        i % 3 = 0 as is_female,
        case when i % 40 <> 9 then (i * i) % 7 < 2 end as has_event,
        i % 45 = 3 as is_excluded
    from range({first}, {last}) r(i)
"""
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Three:
    """Three hospitals with a release, a steward and keys, that answer in this process."""

    def __init__(self, home: Path):
        self.home = home
        keys = {name: MaskKey.generate() for name in NAMES}
        public = {name: key.public for name, key in keys.items()}
        self.sites = {name: TinySite(home, name) for name in NAMES}
        self.hospitals = {}
        for name, site in self.sites.items():
            self.build(name, 0, 400)
            make_steward_key(home / f"{name}.pem", "secret", site.paths)
            self.approve(name)
            self.hospitals[name] = Hospital(
                site.paths, keys[name], public, (TASK,), home / "no network"
            )

    def build(self, name: str, first: int, last: int, *changes: str) -> None:
        self.sites[name].build(MART.format(first=first, last=last), *changes)
        self.sites[name].seal(sealed_at=NOON)

    def approve(self, name: str, **changes: object) -> None:
        said = {
            "id": "made_up",
            "site": name,
            "subject": "made_up",
            "kinds": (Kind.DESCRIPTIVE, Kind.LEARNING),
            "expires": date(2026, 12, 31),
            "contributors": NAMES,
            **changes,
        }
        approval = Approval.model_validate(said)
        sign(approval, self.home / f"{name}.pem", "secret", self.sites[name].paths)

    def make_private(self) -> None:
        """Every hospital answers with noise only, within one budget."""
        for name in NAMES:
            (self.sites[name].paths.approvals / "made_up.json").unlink()
            self.approve(name, privacy={"epsilon": 3.0, "delta": 1e-6})

    def network(self, at: datetime = LATER, run: str | None = None) -> Run:
        asked = InProcess({name: self.answering(name, at) for name in NAMES})
        return Run(asked, "made_up", run=run)

    def answering(self, name: str, at: datetime = LATER):  # type: ignore[no-untyped-def]
        def answer(message: bytes) -> bytes:
            sent: list[bytes] = []
            self.hospitals[name].answer(message, sent.append, at)
            (reply,) = sent
            return reply

        return answer

    def reply(self, name: str, request: Request, at: datetime = LATER) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.answering(name, at)(request.to_bytes()))
        return found

    def log(self, name: str) -> list[dict[str, object]]:
        return audit.entries(self.sites[name].paths.audit_log)


@pytest.fixture
def three(tmp_path: Path) -> Three:
    return Three(tmp_path)


PRIVATE = PrivateLogistic(
    (Bounded("age", 20, 80), Bounded("is_female", 0, 1)),
    "has_event",
    epsilon=2.5,
    delta=1e-6,
    penalty=10.0,
)
MOMENTS = Moments(design=Design(terms=("age",)))
OWN = OwnPerformance(
    design=Design(terms=("1", "age")),
    coefficients=(0.0, 0.1),
    outcome="has_event",
    learning=LEARNING,
    testing=TESTING,
)


def request(
    *queries: Query, run: str = "r", exchange: int = 1, mode: Mode = Mode.MASKED
) -> Request:
    return Request.of(run, exchange, "made_up", mode, NAMES, queries or (MOMENTS,))


def test_a_model_is_fitted_over_three_releases_and_every_exit_has_two_lines(three: Three) -> None:
    run = three.network()
    found = fit_glm(run, Glm(Family.BINOMIAL, TASK.features, "has_event", flags=("is_female",)))
    assert found.gradient <= 1e-9
    # 400 rows at each, less those excluded, of unknown age or without a known outcome.
    kept = [i for i in range(400) if i % 50 != 7 and i % 40 != 9 and i % 45 != 3]
    assert found.persons == 3 * len(kept)
    for name in NAMES:
        events = [entry["event"] for entry in three.log(name)]
        assert events == ["intended", "sent"] * run.exchanges
        assert audit.verify(three.sites[name].paths.audit_log).lines == 2 * run.exchanges
    first = three.log("bada")[0]
    asked = Moments(
        design=Design(terms=("age", "is_female", "has_event")),
        outcome="has_event",
        flags=("is_female",),
    )
    assert first["queries"][0] == f"moments {asked.hash[:16]}"  # type: ignore[index]
    assert (first["approval"], first["subject"], first["mode"]) == ("made_up", "made_up", "masked")


def test_a_reply_carries_release_and_head_and_the_head_is_an_anchor(three: Three) -> None:
    reply = three.reply("sup", request())
    log = three.sites["sup"].paths.audit_log
    audit.verify(log, [audit.Head.parse(reply["head"])])
    assert len(reply["release"]) == 16
    assert reply["refusal"] == ""


def test_asking_again_gives_the_same_bytes_and_another_question_is_refused(three: Three) -> None:
    answer = three.answering("bada")
    assert answer(request().to_bytes()) == answer(request().to_bytes())
    other = request(Moments(design=Design(terms=("is_female",))))
    assert three.reply("bada", other)["refusal"] == "exchange_answered_before"
    events = [entry["event"] for entry in three.log("bada")]
    assert events == ["intended", "sent", "repeated", "sent", "refused"]


def test_what_is_not_approved_is_refused_and_logged(three: Three) -> None:
    day = datetime(2027, 1, 1, tzinfo=UTC)
    assert three.reply("bada", request(), day)["refusal"] == "approval_expired"
    revoke("made_up", three.sites["bada"].paths)
    assert three.reply("bada", request())["refusal"] == "approval_revoked"
    elsewhere = request().model_copy(update={"subject": "fabry_screening"})
    assert three.reply("sup", elsewhere)["refusal"] == "task_or_study_not_known"
    assert [entry.get("refusal") for entry in three.log("bada")] == [
        "approval_expired",
        "approval_revoked",
    ]


def test_revoking_stops_the_next_exchange_of_a_run(three: Three) -> None:
    run = three.network()
    run.total([MOMENTS])
    revoke("made_up", three.sites["deul"].paths)
    with pytest.raises(FederationError, match="deul refused: approval_revoked"):
        run.total([MOMENTS])


def test_a_closed_release_is_not_answered_from_and_no_older_one_takes_its_place(
    three: Three,
) -> None:
    site = three.sites["bada"]
    site.seal(passed(), failed(), run_id="run-2")
    assert three.reply("bada", request())["refusal"] == "release_not_open"


def test_an_approval_of_one_release_does_not_cover_the_next(three: Three) -> None:
    paths = three.sites["bada"].paths
    (paths.approvals / "made_up.json").unlink()
    three.approve("bada", release="0123456789abcdef")
    assert three.reply("bada", request())["refusal"] == "release_not_approved"


def test_no_smaller_or_other_set_of_contributors_is_answered(three: Three) -> None:
    refused = "contributors_not_approved_or_keys_not_known"
    for others in (("bada", "sup"), ("bada", "sup", "haneul"), (*NAMES, "haneul"), ("sup", "deul")):
        smaller = request().model_copy(update={"contributors": tuple(sorted(others))})
        assert three.reply("bada", smaller)["refusal"] == refused


def test_addends_in_clear_are_refused(three: Three) -> None:
    assert three.reply("bada", request(mode=Mode.CLEAR))["refusal"] == "addends_in_clear"


def test_cohorts_that_the_hub_chooses_are_refused_and_the_parts_of_a_task_are_not(
    three: Three,
) -> None:
    # Of 0 to 63, 63 to 99 and all follows who has the key 63.
    chosen = "persons_chosen_otherwise_than_by_the_task"
    for number, keys in enumerate((Keys(first=2), Keys(last=63), Keys(first=63)), 1):
        asked = Moments(design=Design(terms=("age",)), keys=keys)
        assert three.reply("bada", request(asked, exchange=number))["refusal"] == chosen
        own = OWN.model_copy(update={"testing": keys})
        own_request = request(own, exchange=number, mode=Mode.EACH)
        assert three.reply("bada", own_request)["refusal"] == chosen
    for number, keys in enumerate((LEARNING, TESTING, ALL_PERSONS), 4):
        asked = Moments(design=Design(terms=("age",)), keys=keys)
        assert three.reply("bada", request(asked, exchange=number))["refusal"] == ""


def test_rows_without_weight_are_not_counted(three: Three) -> None:
    women = [i for i in range(0, 400, 3) if i % 50 != 7 and i % 40 != 9 and i % 45 != 3]
    weighted = Moments(design=Design(terms=("1",)), weights="is_female")
    [total] = three.network().total([weighted])
    assert total.number("persons") == total.number("rows") == 3 * len(women)
    [kept] = three.hospitals["bada"].answered.persons()
    assert len(kept.ids) == len(women)


def test_persons_are_held_against_all_others_once_and_anew_under_a_higher_minimum(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    kept = Answered.persons

    def counting(answered: Answered) -> Iterator[Persons]:
        nonlocal read
        for each in kept(answered):
            read += 1
            yield each

    monkeypatch.setattr(Answered, "persons", counting)
    for number, persons in enumerate((400, 400, 384, 384), 1):
        three.build("bada", 0, persons)
        assert three.reply("bada", request(exchange=number))["refusal"] == ""
    assert read == 1
    approvals = three.sites["bada"].paths.approvals
    (approvals / "made_up.json").unlink()
    three.approve("bada", minimum_persons=20)
    # The two differ in some 14 persons.
    higher = request(run="later").model_copy(update={"minimum_persons": 20})
    assert three.reply("bada", higher)["refusal"] == (
        "differs_from_an_earlier_answer_in_few_persons"
    )
    (approvals / "made_up.json").unlink()
    three.approve("bada")
    assert three.reply("bada", request(run="later", exchange=2))["refusal"] == ""


def test_folds_may_be_small_at_a_hospital_and_not_in_the_sum(three: Three) -> None:
    def step(folds: int) -> GlmStep:
        return GlmStep(
            family=Family.BINOMIAL,
            design=Design(terms=("1",)),
            outcome="has_event",
            fits=tuple(Fit(coefficients=(0.0,), held_out=fold) for fold in (None, 0)),
            folds=folds,
        )

    # Some 340 persons at each: fewer than ten in a fold of 40, three times as many in the sum.
    [total] = three.network().total([step(40)])
    assert total["fold_persons"].min() >= 10
    with pytest.raises(SuppressedError, match="fewer persons than may be shown in fold_persons"):
        three.network().total([step(100)])


def test_consecutive_releases_and_a_withdrawal_are_refused_in_any_run(three: Three) -> None:
    three.reply("bada", request())
    three.build("bada", 0, 396)
    assert three.reply("bada", request(run="later"))["refusal"] == (
        "differs_from_an_earlier_answer_in_few_persons"
    )
    three.build("bada", 0, 400, "update marts.asthma__cohort set age = 99 where age = 21")
    assert three.reply("bada", request(run="corrected"))["refusal"] == (
        "differs_from_an_earlier_answer_in_few_persons"
    )
    three.build("bada", 0, 600)
    assert three.reply("bada", request(run="next year"))["refusal"] == ""


def test_own_answers_need_persons_in_every_cell_and_room_for_their_numbers(three: Three) -> None:
    assert three.reply("bada", request(OWN, mode=Mode.EACH))["refusal"] == ""
    # Eleven numbers an exchange; a third of the persons in all.
    kept = [i for i in range(400) if i % 50 != 7 and i % 40 != 9 and i % 45 != 3]
    most = len(kept) // 3 // 11
    for number in range(2, most + 1):
        asked = request(OWN, exchange=number, mode=Mode.EACH)
        assert three.reply("bada", asked)["refusal"] == ""
    more = request(OWN, exchange=most + 1, mode=Mode.EACH)
    assert three.reply("bada", more)["refusal"] == "too_many_numbers"
    assert three.reply("bada", request(exchange=most + 2))["refusal"] == ""


def test_a_log_that_can_t_be_written_lets_nothing_out(three: Three) -> None:
    paths = three.sites["bada"].paths
    paths.audit_log.mkdir()
    reply = three.reply("bada", request())
    assert (reply["refusal"], reply["words"]) == ("audit_log_not_written", "")


def test_what_is_no_request_is_refused_and_logged(three: Three) -> None:
    for message in (b"select * from person", b"{}", b"\xff"):
        reply = json.loads(three.answering("bada")(message))
        assert reply["refusal"] == "no_request_of_this_version"
    assert len(three.log("bada")) == 3


def test_nothing_of_a_row_is_in_the_log_or_in_the_record(three: Three) -> None:
    three.reply("bada", request(GlmStep(
        family=Family.BINOMIAL, design=Design(terms=("1", "age")), outcome="has_event",
        fits=(Fit(coefficients=(0.0, 0.0)),),
    )))  # fmt: skip
    persons = (np.arange(400) * 7919) % 10007
    kept = three.sites["bada"].paths.answers.read_bytes()
    assert not any(int(person).to_bytes(8, "little") in kept for person in persons if person > 255)
    assert three.sites["bada"].paths.answers.stat().st_mode & 0o777 == 0o600


def test_a_private_task_answers_with_noise_until_its_budget_is_spent(three: Three) -> None:
    three.make_private()
    exact = request()
    assert three.reply("bada", exact)["refusal"] == "query_can_not_be_answered_with_noise"
    privacy = Privacy(clip=4.0, rho=0.04)
    run = three.network()
    [total] = run.noisy_total([MOMENTS], privacy)
    # Three hospitals, each with noise of 4 / sqrt(0.08) = 14.1 persons.
    persons = sum(1 for i in range(400) if i % 50 != 7 and i % 40 != 9 and i % 45 != 3)
    assert total.number("persons") == pytest.approx(3 * persons, abs=5 * 14.2 * 3**0.5)
    assert total.number("persons") != round(total.number("persons"))
    first = three.hospitals["bada"].answered.spent()
    assert (first.rho, first.exact) == (pytest.approx(0.04), 0)
    answer = three.answering("bada")
    again = Request.of(run.id, 1, "made_up", Mode.MASKED, NAMES, [MOMENTS], privacy)
    assert answer(again.to_bytes()) == answer(again.to_bytes())
    assert three.hospitals["bada"].answered.spent() == first
    with pytest.raises(FederationError, match="bada refused: privacy_budget_spent"):
        for _ in range(6):
            run.noisy_total([MOMENTS], privacy)
    assert three.hospitals["bada"].answered.spent().epsilon(1e-6) <= 3.0
    own = request(run="own", mode=Mode.EACH).model_copy(update={"privacy": privacy})
    assert three.reply("bada", own)["refusal"] == "query_can_not_be_answered_with_noise"


def test_a_model_on_noisy_sums_is_booked_whole_and_the_next_is_refused_whole(three: Three) -> None:
    three.make_private()
    run = three.network()
    found = fit_private_logistic(run, PRIVATE)
    assert found.epsilon == pytest.approx(2.5, rel=1e-6)
    for name in NAMES:
        spent = three.hospitals[name].answered.spent()
        assert (spent.rho, spent.exact) == (pytest.approx(found.rho, rel=1e-12), 0)
        booked = [entry["rho"] for entry in three.log(name) if entry["event"] == "intended"]
        assert booked == pytest.approx([found.rho * share for share in [1 / 8] * 4 + [1 / 2]])
    # The same run again: the same replies, the same model, nothing spent.
    again = fit_private_logistic(three.network(run=run.id), PRIVATE)
    assert again.coefficients.tolist() == found.coefficients.tolist()
    # What is left would pay for the first exchange of another, and not for all of it.
    before = three.hospitals["bada"].answered.spent()
    assert before.rho == pytest.approx(found.rho, rel=1e-12)
    with pytest.raises(RefusalError, match="bada refused: privacy_budget_spent"):
        fit_private_logistic(three.network(), PRIVATE)
    assert three.hospitals["bada"].answered.spent() == before


def test_the_hospital_that_has_not_the_budget_for_a_model_is_named(three: Three) -> None:
    three.make_private()
    (three.sites["sup"].paths.approvals / "made_up.json").unlink()
    three.approve("sup", privacy={"epsilon": 2.0, "delta": 1e-6})
    with pytest.raises(RefusalError, match="sup refused: privacy_budget_spent"):
        fit_private_logistic(three.network(), PRIVATE)
    assert three.hospitals["sup"].answered.spent().rho == 0


def test_a_model_is_exact_or_with_noise_as_the_approval_says(three: Three) -> None:
    without_noise = "query_can_not_be_answered_with_noise"
    with pytest.raises(RefusalError, match=without_noise):
        fit_private_logistic(three.network(), PRIVATE)
    three.make_private()
    with pytest.raises(RefusalError, match=without_noise):
        fit_glm(three.network(), Glm(Family.BINOMIAL, TASK.features, "has_event"))


def test_a_hospital_with_an_exact_answer_has_no_epsilon(three: Three) -> None:
    three.reply("bada", request())
    assert three.hospitals["bada"].answered.spent().epsilon(1e-6) == float("inf")


def test_the_hub_may_not_show_fewer_persons_with_the_outcome_than_approved(three: Three) -> None:
    low = request().model_copy(update={"minimum_outcome": 3})
    assert three.reply("bada", low)["refusal"] == "fewer_persons_to_be_shown_than_approved"
    (three.sites["bada"].paths.approvals / "made_up.json").unlink()
    three.approve("bada", minimum_outcome=3)
    low = low.model_copy(update={"exchange": 2})
    assert three.reply("bada", low)["refusal"] == ""


def test_the_hub_may_not_show_sums_of_fewer_persons_than_approved(three: Three) -> None:
    (three.sites["bada"].paths.approvals / "made_up.json").unlink()
    three.approve("bada", minimum_persons=50, minimum_outcome=50)
    few = "fewer_persons_to_be_shown_than_approved"
    low = request().model_copy(update={"minimum_outcome": 50})
    assert three.reply("bada", low)["refusal"] == few
    enough = low.model_copy(update={"minimum_persons": 50, "exchange": 2})
    assert three.reply("bada", enough)["refusal"] == ""


def test_a_sum_of_one_hospital_is_told_to_nobody(three: Three) -> None:
    step = GlmStep(
        family=Family.BINOMIAL, design=Design(terms=("1", "age")), outcome="has_event",
        fits=(Fit(coefficients=(0.0, 0.0)),),
    )  # fmt: skip
    for number, query in enumerate((MOMENTS, step), 1):
        own = request(query, exchange=number, mode=Mode.EACH)
        assert three.reply("bada", own)["refusal"] == "query_is_answered_in_sums_only"


def test_what_can_t_be_computed_is_refused_with_a_code_and_in_the_log(three: Three) -> None:
    follow_up = FollowUp(stop="age", event="has_event")
    step = CoxStep(
        follow_up=follow_up, design=Design(terms=("age",)), coefficients=(0.0,), weights="nobody"
    )
    descending = EventGrid(follow_up=follow_up, grid=Grid(edges=(9.0, 0.0)))
    for number, query in enumerate((step, descending), 1):
        refused = three.reply("bada", request(query, exchange=number))
        assert refused["refusal"] == "parameters_do_not_fit"
    with pytest.raises(RefusalError, match="do not allow the answer"):
        three.network().total([Moments(design=Design(terms=("age",)), outcome="age")])
    assert three.log("bada")[2]["verdict"] == "parameters_do_not_fit"
    folds = GlmStep(
        family=Family.BINOMIAL, design=Design(terms=("1",)), outcome="has_event",
        fits=(Fit(coefficients=(0.0,)),),
    ).to_dict()  # fmt: skip
    for changed in ({"folds": -100}, {"fits": []}):
        wrong = {**folds, "parameters": {**folds["parameters"], **changed}}
        asked = request().model_copy(update={"queries": (wrong,), "exchange": 3})
        assert three.reply("bada", asked)["refusal"] == "query_not_registered_or_wrong_parameters"
    events = [entry["event"] for entry in three.log("bada")]
    assert events == ["refused", "refused", "intended", "sent", "refused", "refused"]


def test_a_fault_while_computing_is_refused_and_its_text_is_nowhere(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("person 4711")

    monkeypatch.setattr(Moments, "compute", broken)
    assert three.reply("bada", request())["refusal"] == "could_not_be_computed"
    [entry] = three.log("bada")
    assert (entry["refusal"], entry["fault"]) == ("could_not_be_computed", "ValueError")
    assert "4711" not in three.sites["bada"].paths.audit_log.read_text()


def test_two_processes_of_a_hospital_answer_one_after_the_other(three: Three) -> None:
    """Each alone would answer: of two releases that differ in four persons."""
    three.build("bada", 0, 396)
    three.reply("bada", request())
    (three.sites["bada"].paths.answers).unlink()
    answered = three.hospitals["bada"].answered
    began, replies = threading.Event(), []

    def ask() -> None:
        began.set()
        replies.append(three.reply("bada", request(run="other"))["refusal"])

    with answered.alone():
        other = threading.Thread(target=ask)
        other.start()
        began.wait(10)
        other.join(0.5)
        assert replies == []
    other.join(30)
    assert replies == [""]
