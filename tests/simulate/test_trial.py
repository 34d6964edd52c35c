"""The simulated trial: same persons, same luck, and the truth that a study can reach."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pumasi.errors import ConfigError
from pumasi.simulate.asthma import asthma_life
from pumasi.simulate.estimands import truth
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import persons_of
from pumasi.simulate.trial import Eligibility, simulate_trial
from pumasi.simulate.world import Chunk, World

FREE = World.identifiable()
PAIR = ("omalizumab", "dupilumab")


@cache
def new_users(n: int, replicates: int) -> pa.Table:
    return simulate_trial(FREE, PAIR, Eligibility("start"), n, replicates=replicates)


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(zero_copy_only=False))


def test_every_life_is_lived_once_under_each_strategy() -> None:
    trial = new_users(2_000, 5)
    assert trial.num_rows == 4_000
    assert column(trial, "life").tolist() == np.repeat(np.arange(2_000), 2).tolist()
    assert column(trial, "strategy").tolist() == list(PAIR) * 2_000
    for name in ("person", "date", "exac", "true_eos", "chosen", "batch"):
        values = column(trial, name).reshape(-1, 2)
        assert (values[:, 0] == values[:, 1]).all()
    np.testing.assert_allclose(column(trial, "propensity").reshape(-1, 2).sum(axis=1), 1)
    assert (column(trial, "assigned").reshape(-1, 2).sum(axis=1) == 1).all()


def test_no_replicate_is_like_another_and_the_same_trial_is_the_same() -> None:
    trial = new_users(2_000, 5)
    assert trial.equals(simulate_trial(FREE, PAIR, Eligibility("start"), 2_000, replicates=5))
    attacks = column(trial, "attacks").reshape(-1, 5, 2)
    assert (attacks.std(axis=1) > 0).mean() > 0.5


def test_batches_share_no_person_and_each_has_every_hospital_with_biologics() -> None:
    trial = new_users(2_000, 5)
    hospital, batch, person = (column(trial, name) for name in ("hospital", "batch", "person"))
    whole = np.unique(batch)[:-1]
    assert len(whole) >= 2
    for number in whole:
        assert {"haneul", "bada"} <= set(hospital[batch == number])
    pairs = set(zip(person.tolist(), batch.tolist(), strict=True))
    assert len(pairs) == len(set(person.tolist()))


def test_follow_up_lasts_a_year_unless_one_dies() -> None:
    trial = new_users(2_000, 5)
    years, time, event = (column(trial, name) for name in ("years", "time", "event"))
    assert (years > 0.99).mean() > 0.98
    assert years.max() < 366.5 / 365.25
    assert (time[event] < 366).all()
    assert (column(trial, "attacks") > 0).tolist() == event.tolist()


def test_without_a_drug_nothing_is_begun_and_attacks_are_more() -> None:
    trial = simulate_trial(
        FREE, ("none", "dupilumab", "tezepelumab"), Eligibility("allowed"), 3_000, replicates=2
    )
    attacks = column(trial, "attacks").reshape(-1, 3).mean(axis=0)
    assert attacks[0] > 1.3 * attacks[1]
    assert attacks[0] > 1.3 * attacks[2]
    # Who is allowed a drug mostly gets none in that month.
    assert (column(trial, "propensity").reshape(-1, 3)[:, 0] > 0.5).mean() > 0.9


def test_keeping_a_drug_does_better_than_the_natural_course() -> None:
    natural, kept = (
        simulate_trial(
            FREE, ("none", "dupilumab"), Eligibility("allowed"), 2_000, replicates=2, sustained=s
        )
        for s in (False, True)
    )
    under = [column(t, "attacks").reshape(-1, 2) for t in (natural, kept)]
    assert (under[0][:, 0] == under[1][:, 0]).all()
    assert under[1][:, 1].mean() < under[0][:, 1].mean()


def test_a_trial_needs_strategies_that_exist_and_someone_to_enter() -> None:
    with pytest.raises(ConfigError, match="two or more different strategies"):
        simulate_trial(FREE, ("dupilumab", "aspirin"), Eligibility(), 10)
    with pytest.raises(ConfigError, match="two or more different strategies"):
        simulate_trial(FREE, ("dupilumab",), Eligibility(), 10)
    with pytest.raises(ConfigError, match="at least one life"):
        simulate_trial(FREE, PAIR, Eligibility(), 0)


@cache
def observed(chunks: int) -> pa.Table:
    """The starts of an identifiable world, with what became of each under the chosen drug."""
    tables = []
    for number in range(chunks):
        chunk = Chunk("haneul", number, 20_000)
        life = asthma_life(
            persons_of(chunk, FREE), parameters("asthma"), FREE, FREE.generator(chunk, "asthma")
        )
        tables.append(life.biologic_starts)
    return pa.concat_tables(tables).unify_dictionaries()


def weighted_minus_all(starts: pa.Table, drug: str) -> np.ndarray:
    """Per start: its weighted observed attacks if it chose `drug`, less its potential attacks."""
    chosen = column(starts, "drug") == drug
    potential = column(starts, f"attacks_12m_{drug}").astype(float)
    return chosen / column(starts, f"propensity_{drug}") * potential - potential


def test_observed_attacks_weighted_by_the_propensity_are_the_randomised_truth() -> None:
    starts = observed(4)
    assert starts.num_rows > 300
    for drug in ("omalizumab", "mepolizumab", "benralizumab", "dupilumab"):
        gap = weighted_minus_all(starts, drug)
        assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(gap))


def test_crude_groups_are_not_comparable() -> None:
    """Choice goes by markers and history: the same potential outcome differs between users."""
    starts = observed(8)
    eos = column(starts, "true_eos")
    drug = column(starts, "drug")
    assert eos[drug == "mepolizumab"].mean() > 1.2 * eos[drug == "omalizumab"].mean()


@pytest.mark.slow
def test_a_study_of_new_users_reaches_the_truth_of_the_trial() -> None:
    """Rate ratio of dupilumab against omalizumab: IPW in observed starts, and the trial's truth."""
    trial = new_users(60_000, 20)
    expected = truth(trial, "rate_ratio", "dupilumab", "omalizumab")
    starts = observed(60)
    first = starts.filter(pc.is_in(starts["drug"].cast(pa.string()), pa.array(PAIR)))
    # A person is a new user once; starts stand in the order of time.
    first = first.take(np.unique(column(first, "person"), return_index=True)[1])
    e = column(first, "propensity_dupilumab")
    e = e / (e + column(first, "propensity_omalizumab"))
    treated = column(first, "drug") == "dupilumab"
    attacks = np.where(
        treated, column(first, "attacks_12m_dupilumab"), column(first, "attacks_12m_omalizumab")
    )
    weight = np.where(treated, 1 / e, 1 / (1 - e))
    # The bootstrap of the weighted ratio, on starts.
    draw = np.random.default_rng(1)

    def ratio(rows: np.ndarray) -> float:
        w, a, t = weight[rows], attacks[rows], treated[rows]
        return float(np.average(a[t], weights=w[t]) / np.average(a[~t], weights=w[~t]))

    n = len(treated)
    spread = np.std([ratio(draw.integers(0, n, n)) for _ in range(300)])
    found = ratio(np.arange(n))
    assert expected.error < 0.02
    assert abs(found - expected.value) < 3 * np.hypot(spread, expected.error)
