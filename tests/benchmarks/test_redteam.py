"""The attacks: without the defence they succeed, with it they don't."""

import numpy as np
import pytest

from benchmarks import redteam


def test_every_attack_succeeds_without_the_defence_and_fails_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Enough for areas of 1.00 and 0.5; the table is of 1,000.
    monkeypatch.setattr(redteam, "TRIALS", 300)
    found = {attack.__name__: attack(np.random.default_rng(7)) for attack in redteam.ATTACKS}
    assert found["aimed"].held
    assert found["differencing"].held
    assert found["case_count"].held
    assert found["membership"].without.startswith("AUROC 0.9")
