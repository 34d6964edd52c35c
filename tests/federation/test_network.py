"""What a network tells, and what it refuses: messages as they travel between hub and hospitals."""

import json

import numpy as np
import pytest

from pumasi.disclosure.airlock import Outgoing
from pumasi.errors import FederationError, QueryError, RefusalError, SuppressedError
from pumasi.federation.cells import Limits
from pumasi.federation.messages import Mode, Reply, Request
from pumasi.federation.network import InProcess, Run
from pumasi.federation.queries import Family, Fit, GlmStep, Moments, ProfileLikelihood
from pumasi.federation.query import query_from_dict, query_types
from pumasi.federation.rows import Design, Rows
from tests.estimate.hospitals import divided, holdings, network, rows_of

MOMENTS = Moments(design=Design(terms=("x",)))
PROFILE = ProfileLikelihood(
    family=Family.BINOMIAL, treatment="flag", outcome="y", grid=(-0.5, 0.0, 0.5)
)


def hospital_rows(n: int, cases: int) -> Rows:
    x = np.arange(n) / max(n, 1)
    return rows_of({"x": x, "y": np.arange(n) < cases, "flag": np.arange(n) % 2})


def test_a_total_is_the_sum_over_hospitals() -> None:
    rows = divided(hospital_rows(400, 50), np.arange(400) % 4)
    [total] = network(rows).total([MOMENTS])
    assert total.number("persons") == 400
    assert total["sums"][0] == pytest.approx(rows.column("x").sum(), abs=1e-6)
    assert not hasattr(total, "addends")


def test_each_is_every_hospitals_own_and_must_reach_the_minimum() -> None:
    rows = divided(hospital_rows(400, 200), np.arange(400) // 2 % 4)
    [answers] = network(rows).each([PROFILE])
    assert [answer.hospital for answer in answers] == ["h0", "h1", "h2", "h3"]
    assert [float(answer["cells"].sum()) for answer in answers] == [100, 100, 100, 100]
    few = divided(hospital_rows(400, 200), np.where(np.arange(400) < 9, 3, np.arange(400) % 3))
    run = network(few)
    [answers] = run.each([PROFILE])
    assert [answer.hospital for answer in answers] == ["h0", "h1", "h2"]
    assert run.refusals == {"h3": "too_few_persons"}


def test_a_small_hospital_contributes_to_a_sum() -> None:
    few = divided(hospital_rows(400, 50), np.where(np.arange(400) < 3, 3, np.arange(400) % 3))
    [total] = network(few).total([MOMENTS])
    assert total.number("persons") == 400


def test_a_sum_needs_three_hospitals() -> None:
    held = holdings({"a": hospital_rows(100, 30), "b": hospital_rows(100, 30)})
    run = Run(InProcess({name: each.answer for name, each in held.items()}), "test")
    with pytest.raises(FederationError, match="a refused: contributors_not_approved"):
        run.total([MOMENTS])


def test_a_hospital_sums_only_with_those_whose_keys_it_has() -> None:
    names = ("a", "b", "c", "d")
    held = holdings({name: hospital_rows(100, 30) for name in names})
    foreign = holdings({"e": hospital_rows(100, 30)})["e"]
    asked = {**{name: held[name].answer for name in names}, "e": foreign.answer}
    with pytest.raises(FederationError, match="a refused: contributors_not_approved"):
        Run(InProcess(asked), "test").total([MOMENTS])


def test_replies_have_one_size_whatever_they_count() -> None:
    held = holdings(
        {"a": hospital_rows(0, 0), "b": hospital_rows(50, 2), "c": hospital_rows(4000, 2000)}
    )
    query = GlmStep(
        family=Family.BINOMIAL,
        design=Design(terms=("1", "x")),
        outcome="y",
        fits=(Fit(coefficients=(0.0, 0.0)),),
    )
    request = Request.of("r", 1, "test", Mode.MASKED, tuple(held), [query]).to_bytes()
    assert len({len(each.answer(request)) for each in held.values()}) == 1


def test_a_screen_shows_verdicts_and_no_count() -> None:
    n = 400
    rows = rows_of({
        "y": np.arange(n) < 40, "rare": np.arange(n) % 100 == 0, "flag": np.arange(n) % 2,
    })  # fmt: skip
    screen = Moments(design=Design(terms=("rare", "flag")), outcome="y", flags=("rare", "flag"))
    [total] = network(divided(rows, np.arange(n) % 4)).total([screen])
    assert total["levels"][1].tolist() == [[1, 1], [1, 1]]
    assert total["levels"][0].tolist() == [[1, 1], [0, 0]]
    # Nothing of the column that failed is shown: its sum would be the number of persons.
    assert np.isnan(total["sums"]).tolist() == [True, False]
    assert np.isnan(total["squares"]).tolist() == [True, False]
    assert total["sums"][1] == 200


def test_the_sum_of_a_rare_outcome_is_not_shown() -> None:
    rows = divided(hospital_rows(400, 7), np.arange(400) % 4)
    asked = Moments(design=Design(terms=("x", "y")), outcome="y")
    with pytest.raises(SuppressedError, match="fewer persons than may be shown in outcome"):
        network(rows).total([asked])


def test_an_aimed_hessian_is_refused_also_in_a_sum() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    x[17] = 9.0
    rows = divided(rows_of({"x": x, "y": rng.random(2000) < 0.3}), np.arange(2000) % 4)
    aimed = GlmStep(
        family=Family.BINOMIAL,
        design=Design(terms=("1", "x")),
        outcome="y",
        fits=(Fit(coefficients=(-900.0, 100.0)),),
    )
    with pytest.raises(FederationError, match="do not allow the answer: aimed_at_few_persons"):
        network(rows).total([aimed])
    wide = aimed.model_copy(update={"fits": (Fit(coefficients=(0.0, 0.0)),)})
    assert network(rows).total([wide])[0].number("persons") == 2000


def test_whose_rows_do_not_allow_an_answer_is_in_no_reply() -> None:
    """Who chooses the scale can't find a hospital's addend by asking whether it fits."""
    x = np.where(np.arange(400) % 4 == 1, 1.0, 0.0)
    held = holdings(
        {f"h{each}": rows_of({"x": x[each::4]}) for each in range(4)}, Limits(contributors=3)
    )
    # The limit of an addend is 2^20 times the scale here; that of h1 is 100 / spread.
    fits, beyond = (
        Moments(design=Design(terms=("x",), spread=(spread,)), magnitude=1.0)
        for spread in (1e-2, 1e-5)
    )
    sent: dict[str, dict[str, str]] = {}

    def answering(name: str):  # type: ignore[no-untyped-def]
        def answer(message: bytes) -> bytes:
            reply = held[name].answer(message)
            sent[name] = json.loads(reply)
            return reply

        return answer

    run = Run(InProcess({name: answering(name) for name in held}), "test")
    assert run.total([fits])[0]["sums"][0] == pytest.approx(1e4)
    with pytest.raises(RefusalError, match="do not allow the answer: parameters_do_not_fit") as no:
        run.total([beyond])
    assert not any(name in str(no.value) for name in held)
    assert {reply["refusal"] for reply in sent.values()} == {""}
    assert len({len(reply["words"]) for reply in sent.values()}) == 1


def test_an_approval_may_lower_the_limit_of_outcomes_for_sums() -> None:
    rows = divided(hospital_rows(400, 5), np.arange(400) % 4)
    step = GlmStep(
        family=Family.BINOMIAL,
        design=Design(terms=("1",)),
        outcome="y",
        fits=(Fit(coefficients=(0.0,)),),
    )
    with pytest.raises(SuppressedError, match="in cases; suppressed is not zero"):
        network(rows).total([step])
    [total] = network(rows, limits=Limits(outcome=3)).total([step])
    assert total.number("cases") == 5


def test_an_unregistered_query_is_refused() -> None:
    held = holdings({name: hospital_rows(100, 30) for name in "abc"})
    request = Request.of("r", 1, "test", Mode.MASKED, tuple("abc"), [MOMENTS])
    sql = {"query": "sql", "version": 1, "parameters": {"text": "select * from person"}}
    changed = request.model_copy(update={"queries": (sql,)})
    reply = json.loads(held["a"].answer(changed.to_bytes()))
    assert reply["refusal"] == "parameters_do_not_fit"
    assert reply["words"] == ""


def test_every_registered_query_refuses_parameters_that_it_does_not_have() -> None:
    for query in query_types():
        with pytest.raises(QueryError, match=f"query {query.name}: wrong parameters"):
            query_from_dict(
                {"query": query.name, "version": query.version, "parameters": {"where": "1=1"}}
            )


def test_a_query_survives_the_journey_with_its_hash() -> None:
    step = GlmStep(
        family=Family.POISSON,
        design=Design(terms=("1", "x"), center=(0.0, 0.1), spread=(1.0, 1 / 3)),
        outcome="y",
        fits=(Fit(coefficients=(0.1 + 0.2, -1e-17), held_out=2),),
        folds=5,
    )
    again = query_from_dict(json.loads(json.dumps(step.to_dict())))
    assert again == step
    assert again.hash == step.hash


def test_only_the_airlock_makes_what_may_leave() -> None:
    with pytest.raises(TypeError, match="only the airlock"):
        Outgoing(np.zeros(3, dtype=np.uint64), object())


def test_a_reply_to_another_request_is_refused_with_the_hospitals_name() -> None:
    held = holdings({name: hospital_rows(100, 30) for name in "abc"})
    request = Request.of("r", 1, "test", Mode.CLEAR, tuple("abc"), [MOMENTS])
    later = Request.of("r", 2, "test", Mode.CLEAR, tuple("abc"), [MOMENTS])
    with pytest.raises(FederationError, match="a: the reply is of another hospital or request"):
        Reply.from_bytes(held["a"].answer(request.to_bytes()), "a", later)
    with pytest.raises(FederationError, match="a: what came back is no reply"):
        Reply.from_bytes(b"[]", "a", request)


def test_rows_with_a_missing_value_are_not_taken() -> None:
    with pytest.raises(QueryError, match="column x has a missing or infinite value"):
        rows_of({"x": np.array([1.0, np.nan])})
