"""Several estimates in the same exchanges: each says what it asks next, and all are asked at once.

An exchange costs seconds however small it is. An estimate that can share exchanges is a generator:
it yields the queries of its next exchange, is sent their totals, and returns what it estimated.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from pumasi.federation.network import Total, Totals
from pumasi.federation.query import Query

Asking = Generator[Sequence[Query], list[Total], Any]


def together(network: Totals, *estimates: Asking) -> list[Any]:
    """Run the estimates side by side; as many exchanges as the longest takes.

    Raises:
        What an estimate or the network raises.
    """
    results: list[Any] = [None] * len(estimates)
    asked = {number: next(estimate) for number, estimate in enumerate(estimates)}
    while asked:
        totals = iter(network.total([query for queries in asked.values() for query in queries]))
        found = {number: [next(totals) for _ in queries] for number, queries in asked.items()}
        asked = {}
        for number, mine in found.items():
            try:
                asked[number] = estimates[number].send(mine)
            except StopIteration as ended:
                results[number] = ended.value
    return results
