"""Faults in the running network: each ends in the right number, or says who did not answer."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.faults.__main__ import table
from benchmarks.faults.hub import Said
from benchmarks.faults.kinds import KINDS, Blame, Kind
from benchmarks.faults.trial import Fault, Result, Trials, Verdict, drawn, verdict
from tests.flower.cluster import Cluster
from tests.flower.hospitals import NAMES

# One of each group, of those that need neither the time-out nor a minute until a killed node is
# forgotten; test_network has those two.
CHOSEN = (
    "answering process killed (KILL)",
    "node stands still for a while",
    "reply cut off",
    "node's connection cut",
    "hub's run killed (KILL)",
    "process that asks killed (KILL)",
)
RIGHT = {"sums": [1.0, 2.5]}


def fault(blame: Blame, hospital: str = "sup") -> Fault:
    return Fault(Kind("a fault", blame), hospital, at_begin=False, moment=0.5, luck=0.5)


@pytest.mark.slow
def test_every_run_ends_right_or_says_who_failed_and_leaves_nothing(cluster: Cluster) -> None:
    kinds = [kind for kind in KINDS if kind.name in CHOSEN]
    faults = drawn(np.random.default_rng(7), len(CHOSEN), kinds)
    trials = Trials.of(cluster, 25)
    try:
        results = list(trials.run(faults))
    finally:
        trials.deployment.close()
    assert len(results) == len(CHOSEN)
    assert [each for each in results if not each.is_good] == []
    ended = {each.fault.kind.name: each.verdict for each in results}
    assert ended["node stands still for a while"] is Verdict.RIGHT
    assert ended["reply cut off"] is Verdict.NAMED
    assert ended["hub's run killed (KILL)"] in (Verdict.NAMED, Verdict.RIGHT)


@pytest.mark.parametrize(
    ("blame", "said", "expected"),
    [
        (Blame.NOBODY, Said(parts=RIGHT), Verdict.RIGHT),
        (Blame.HOSPITAL, Said(parts={"sums": [1.0, 2.4]}), Verdict.WRONG),
        (Blame.HOSPITAL, Said(parts={}), Verdict.WRONG),
        (Blame.HOSPITAL, Said("FederationError", "sup: no reply in time"), Verdict.NAMED),
        (Blame.HOSPITAL, Said("FederationError", "bada: no reply in time"), Verdict.UNNAMED),
        (
            Blame.HOSPITAL,
            Said("FederationError", "bada: no reply in time\nsup: no reply in time"),
            Verdict.UNNAMED,
        ),
        (Blame.HOSPITAL, Said("FederationError", "the SuperLink is gone"), Verdict.UNNAMED),
        (Blame.HOSPITAL, Said("KeyError", "sup: "), Verdict.UNNAMED),
        (Blame.NOBODY, Said("FederationError", "sup: no reply in time"), Verdict.UNNAMED),
        (
            Blame.HUB,
            Said("FederationError", "the run of the relay at the hub ended: see"),
            Verdict.NAMED,
        ),
        (Blame.HUB, Said("FederationError", "sup: no reply in time"), Verdict.UNNAMED),
        (
            Blame.HUB,
            Said(
                "FederationError",
                "\n".join(
                    ["no hospital answered, which may be the hub's: see"]
                    + [f"{name}: no reply in time" for name in NAMES]
                ),
            ),
            Verdict.NAMED,
        ),
        (Blame.HOSPITAL, None, Verdict.HANG),
    ],
)
def test_a_run_is_judged_by_its_number_and_by_whom_it_names(
    blame: Blame, said: Said | None, expected: Verdict
) -> None:
    assert verdict(fault(blame), said, RIGHT, has_ended=False) is expected


def test_a_process_that_was_killed_has_nothing_to_say_unless_it_lives() -> None:
    killed = fault(Blame.KILLED)
    assert verdict(killed, None, RIGHT, has_ended=True) is Verdict.KILLED
    assert verdict(killed, None, RIGHT, has_ended=False) is Verdict.HANG
    assert verdict(fault(Blame.HUB), None, RIGHT, has_ended=True) is Verdict.HANG


def test_faults_are_the_same_with_the_same_seed_and_every_kind_is_drawn_as_often() -> None:
    faults = drawn(np.random.default_rng(1), 2 * len(KINDS))
    assert faults == drawn(np.random.default_rng(1), 2 * len(KINDS))
    assert faults != drawn(np.random.default_rng(2), 2 * len(KINDS))
    assert all(sum(each.kind is kind for each in faults) == 2 for kind in KINDS)
    assert not any(each.at_begin and not each.kind.begins for each in faults)
    assert {each.hospital for each in faults} == {"bada", "deul", "haneul", "sup"}


def test_the_table_counts_what_is_not_as_it_must_be() -> None:
    one = Fault(KINDS[0], "sup", at_begin=False, moment=0.5, luck=0.5)
    results = [
        Result(one, Verdict.NAMED, seconds=25, recovered=True),
        Result(one, Verdict.HANG, seconds=60, orphans=("flwr-clientapp",), recovered=False),
    ]
    assert [each.is_good for each in results] == [True, False]
    header, row, everything = table(results)
    assert dict(zip(header, row, strict=True)) == {
        "fault": KINDS[0].name,
        "times": "2",
        "ended right": "0",
        "failed, named": "1",
        "was killed itself": "0",
        "wrong number": "0",
        "failed, not named": "0",
        "hung": "1",
        "processes left": "1",
        "next one wrong": "1",
        "longest, s": "60",
    }
    assert everything[1:] == row[1:]
