"""The attacks: without the defence they succeed, with it they don't."""

import numpy as np
import pytest

from benchmarks import redteam


def test_every_attack_succeeds_without_the_defence_and_fails_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Enough for areas of 1.00 and 0.5; the table is of 1,000.
    monkeypatch.setattr(redteam, "TRIALS", 300)
    attacks = [attack for attack in redteam.ATTACKS if attack is not redteam.model_membership]
    found = {attack.__name__: attack(np.random.default_rng(7)) for attack in attacks}
    assert found["aimed"].held
    assert found["differencing"].held
    assert found["case_count"].held
    assert found["membership"].without.startswith("AUROC 0.9")


def test_a_model_of_few_persons_tells_who_they_were_and_the_networks_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Enough to tell 0.95 from 0.55; the table is of 1,000 models and 32 shadows.
    monkeypatch.setattr(redteam, "TRIALS", 60)
    monkeypatch.setattr(redteam, "SHADOWS", 16)
    found = redteam.model_membership(np.random.default_rng(7))
    assert float(found.without.split()[1]) > 0.9
    assert float(found.with_defence.split()[1].rstrip(",")) < 0.7


def test_the_shadows_fit_as_the_network_does() -> None:
    rng = np.random.default_rng(8)
    rows = {name: redteam.rows_of(400, 200, rng) for name in redteam.NAMES}
    pairs = [redteam.with_intercept(each) for each in rows.values()]
    x, y = (np.concatenate(each) for each in zip(*pairs, strict=True))
    # Not the same penalty exactly: the network standardises by the persons it has.
    here = redteam.ridge(x[None], y[None], redteam.PENALTY)[0]
    np.testing.assert_allclose(here, redteam.network_model(rows), atol=1e-3)
