"""The one way out of a hospital: what leaves is an `Outgoing`, and only the airlock makes one.

A sum's addend leaves whatever it counts, zero included, hidden or not, always in the same size: the
minimum holds for the sum. What the rows do not allow is a verdict in the sum: a refusal would tell
of one hospital's rows, and who may choose scales could find its addend by asking often. An answer
of the hospital's own leaves if every cell of it reaches the minimum. Refusals carry a code, never a
number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pumasi.disclosure.noise import private_words
from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.errors import QueryError
from pumasi.federation.cells import Limits, may_be_shown
from pumasi.federation.fixed_point import Words, encode
from pumasi.federation.messages import UNFIT, VERDICTS, Privacy, all_parts
from pumasi.federation.query import Query, flatten
from pumasi.federation.rows import Floats, Rows

_AIRLOCK = object()


@dataclass(frozen=True)
class Outgoing:
    """Words that may leave. Nobody but the airlock of this module can make one.

    `verdict` is the code of what the rows do not allow, for the hospital's own log; empty if they
    allow the answer.
    """

    words: Words
    made_by: object = field(repr=False)
    verdict: str = ""

    def __post_init__(self) -> None:
        if self.made_by is not _AIRLOCK:
            raise TypeError("only the airlock makes what may leave a hospital")


def addend(
    queries: list[Query], rows: Rows, masks: Words, limits: Limits, addends: int
) -> Outgoing:
    """The hospital's addend to exact totals, with its verdicts.

    Args:
        queries: what was asked.
        rows: the hospital's.
        masks: what hides the addend, shape (entries + verdicts,); zeros if nothing is to.
        limits: the hospital's minimum.
        addends: over how many hospitals the sum is.

    Raises:
        RefusedError: a query is no sum.
        QueryError: a query has parts that nobody can answer.
    """
    if not all(query.additive for query in queries):
        raise RefusedError(Refusal.NOT_ADDITIVE)
    parts = all_parts(queries)
    verdict = ""
    try:
        entries = encode(_entries(queries, rows, limits), parts, addends)
    except RefusedError as error:
        verdict = error.refusal.value
    except QueryError:
        verdict = UNFIT
    if verdict:
        entries = np.zeros(sum(part.size for part in parts), dtype=np.uint64)
    verdicts = np.array([verdict == code for code in VERDICTS], dtype=np.uint64)
    return Outgoing(np.concatenate([entries, verdicts]) + masks, _AIRLOCK, verdict)


def _entries(queries: list[Query], rows: Rows, limits: Limits) -> Floats:
    """The entries of the addend; raises as `refuse_aimed`, `Query.compute` and `flatten`."""
    entries = []
    for query in queries:
        chosen = query.chosen(rows)
        refuse_aimed(query, chosen, limits)
        entries.append(flatten(query.parts(), query.compute(chosen)))
    return np.concatenate(entries)


def private_addend(queries: list[Query], rows: Rows, masks: Words, privacy: Privacy) -> Outgoing:
    """The hospital's addend to totals, with noise: who is in it can't be told.

    The contributions of a person to all queries of the exchange are clipped as one.

    Raises:
        QueryError: a query can't be answered with noise, or not with this clip.
    """
    if len({query.keys for query in queries}) > 1:
        raise QueryError("queries of one exchange with noise are of the same persons")
    # Rows of weight 0 are among them, so that all queries have a row a person.
    of = queries[0].keys.chosen(rows)
    contributions = np.hstack([query.contributions(of) for query in queries])
    words = private_words(contributions, all_parts(queries), privacy.clip, privacy.rho)
    return Outgoing(words + masks, _AIRLOCK)


def own_answer(queries: list[Query], rows: Rows, limits: Limits) -> Outgoing:
    """The hospital's own answer, which the hub can read.

    Raises:
        RefusedError: a cell counts too few persons, a query is aimed at few, or it has sums that
            are no cells and is not made to be answered by one hospital.
        QueryError: the rows have not what is asked for.
    """
    entries = []
    for query in queries:
        if not query.own and any(part.counts is None for part in query.parts()):
            raise RefusedError(Refusal.NOT_OWN)
        chosen = query.chosen(rows)
        refuse_aimed(query, chosen, limits)
        values = query.compute(chosen)
        for part in query.parts():
            shown = may_be_shown(part, values[part.name], limits)
            if part.counts is not None and (part.spans or not shown.all()):
                raise RefusedError(Refusal.FEW_PERSONS)
        entries.append(flatten(query.parts(), values))
    words = encode(np.concatenate(entries), all_parts(queries), 1)
    return Outgoing(words, _AIRLOCK)


def refuse_aimed(query: Query, rows: Rows, limits: Limits) -> None:
    """Refuse coefficients by which few persons make most of a sum.

    The effective number of persons, (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965), must reach
    the minimum; at a hospital with fewer than two times as many, half of its persons.

    Args:
        query: what was asked.
        rows: those that it is computed of.
        limits: the hospital's minimum.

    Raises:
        RefusedError: it does not.
    """
    influence = query.influence(rows)
    if influence is None or len(influence) == 0:
        return
    by_person = rows.by_person(influence)
    squares = (by_person**2).sum(axis=0)
    effective = np.divide(
        by_person.sum(axis=0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0
    )
    if (effective < min(limits.persons, len(by_person) / 2)).any():
        raise RefusedError(Refusal.AIMED)
