"""The record of a run: replayed to the same numbers, and a killed run goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pumasi.errors import FederationError
from pumasi.estimate.glm import Glm, fit_glm
from pumasi.federation.network import Run, Transport
from pumasi.federation.queries import Family
from pumasi.federation.transcript import Recorded, Replayed, forget
from tests.estimate.hospitals import divided, fair, network

MODEL = Glm(Family.BINOMIAL, ("age", "educ"), "affair")


@dataclass
class Counting:
    """A transport that counts, and breaks after some messages."""

    inner: Transport
    breaks_after: int = 1000
    carried: list[bytes] = field(default_factory=list)

    @property
    def hospitals(self) -> tuple[str, ...]:
        return self.inner.hospitals

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        if len(self.carried) == self.breaks_after:
            raise FederationError("h2 did not answer")
        self.carried.append(message)
        return self.inner.carry(message)


@pytest.fixture
def transport() -> Counting:
    rows = fair()
    return Counting(network(divided(rows, np.arange(len(rows)) % 4)).transport)


def test_a_recorded_run_is_replayed_to_the_same_numbers(
    transport: Counting, tmp_path: Path
) -> None:
    first = fit_glm(Run(Recorded(transport, tmp_path), "test", run="one"), MODEL)
    asked = len(transport.carried)
    again = fit_glm(Run(Replayed(tmp_path), "test", run="one"), MODEL)
    assert np.array_equal(again.coefficients, first.coefficients)
    assert len(transport.carried) == asked
    assert Replayed(tmp_path).hospitals == ("h0", "h1", "h2", "h3")


def test_a_run_that_broke_goes_on_without_asking_again(transport: Counting, tmp_path: Path) -> None:
    transport.breaks_after = 3
    with pytest.raises(FederationError, match="h2 did not answer"):
        fit_glm(Run(Recorded(transport, tmp_path), "test", run="one"), MODEL)
    transport.breaks_after = 1000
    found = fit_glm(Run(Recorded(transport, tmp_path), "test", run="one"), MODEL)
    assert len(transport.carried) == found.exchanges
    assert len(set(transport.carried)) == found.exchanges


def test_another_model_is_not_in_the_record(transport: Counting, tmp_path: Path) -> None:
    fit_glm(Run(Recorded(transport, tmp_path), "test", run="one"), MODEL)
    other = Glm(Family.BINOMIAL, ("age",), "affair")
    with pytest.raises(FederationError, match="this exchange is not in the record"):
        fit_glm(Run(Replayed(tmp_path), "test", run="one"), other)


def test_records_are_forgotten_after_their_time(transport: Counting, tmp_path: Path) -> None:
    for run in ("old", "new"):
        fit_glm(Run(Recorded(transport, tmp_path / run), "test", run=run), MODEL)
    for file in (tmp_path / "old").rglob("*"):
        os.utime(file, (0, 0))
    a_year_ago = datetime.now(UTC) - timedelta(days=365)
    with pytest.raises(FederationError, match="there is no record of run other"):
        forget(tmp_path, a_year_ago, "other")
    assert forget(tmp_path, a_year_ago, "new") == []
    assert forget(tmp_path, a_year_ago) == ["old"]
    assert [place.name for place in tmp_path.iterdir()] == ["new"]
