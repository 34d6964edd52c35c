"""Newton's method on sums over hospitals, and the standardisation that every such fit begins with.

The hub steps by information^-1 gradient of terms that have mean 0 and variance 1 over the network;
a step that leads downhill is shortened, and one to where a hospital answers nothing, since few
persons would make most of its sums, is halved: a first step often goes too far where a column is
skewed. What the sums are of, the estimator says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pumasi.errors import AimedError, EstimationError
from pumasi.federation.network import Total
from pumasi.federation.queries import Moments
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, Design, Floats, Keys, rests_on

# Relative gradient norm at which a fit has converged.
TOLERANCE = 1e-9
MAXIMUM_STEPS = 25
# How often in a row a step is halved because a hospital refuses where it leads.
MAXIMUM_REFUSALS = 4
# Least part of a step that is left when it led downhill.
SHORTEST = 0.1
# Beyond this ratio of its eigenvalues an information of standardised terms tells nothing of one.
COLLINEAR = 1e10

# A direction in which less than this share of the first information is left has no maximum: the
# information falls by a factor e with every unit that Newton's method adds to a log ratio.
MONOTONE = 1e-5

Ask = Callable[[Sequence[Query]], list[Total]]


@dataclass(frozen=True)
class Standardised:
    """What the first exchange says.

    Args:
        design: the terms that may be used, standardised over the rows of the network.
        dropped: terms with a level that too few persons have, with or without the outcome, and
            products with such a term.
        weight: sum of the case weights of all rows.
        means: of the columns that were asked for besides the terms.
        spreads: their standard deviations.
        more: answers to the other queries of the exchange.
    """

    design: Design
    dropped: tuple[str, ...]
    weight: float
    means: Floats
    spreads: Floats
    more: list[Total]


def standardise(
    ask: Ask,
    terms: tuple[str, ...],
    outcome: str | None,
    *,
    flags: tuple[str, ...] = (),
    besides: tuple[str, ...] = (),
    weights: str | None = None,
    keys: Keys = ALL_PERSONS,
    magnitude: float = 1024.0,
    more: Sequence[Query] = (),
) -> Standardised:
    """One exchange: which terms may be used, and how they are standardised.

    Args:
        ask: asks all hospitals in one exchange.
        terms: columns and products of columns.
        outcome: column of 0 and 1 that enough persons must have, and by which `flags` are screened;
            None if it has other values.
        flags: terms of two levels that must be held by enough persons.
        besides: columns whose mean and deviation are asked for, too.
        weights: column of case weights.
        keys: persons who are learned from.
        magnitude: size that the columns are expected to have.
        more: what else is asked in the same exchange.

    Raises:
        EstimationError: a term has one value in all rows.
        SuppressedError: too few persons have a row with a weight.
    """
    design = Design(terms=(*terms, *besides))
    query = Moments(
        design=design, weights=weights, outcome=outcome, flags=flags, keys=keys, magnitude=magnitude
    )
    moments, *others = ask([query, *more])
    dropped: tuple[str, ...] = ()
    if flags:
        enough = np.asarray(moments["levels"].all(axis=(1, 2)))
        failed = {flag for flag, kept in zip(flags, enough, strict=True) if not kept}
        dropped = tuple(term for term in terms if rests_on(term, failed))
    weight = moments.number("weight")
    mean = moments["sums"] / weight
    variance = moments["squares"] / weight - np.square(mean)
    kept = [j for j, term in enumerate(terms) if term not in dropped]
    constant = [terms[j] for j in kept if variance[j] <= 1e-12 * max(1.0, mean[j] ** 2)]
    if constant:
        raise EstimationError(
            f"{', '.join(constant)}: the same value in all rows of the network; leave it out"
        )
    standard = Design(
        terms=tuple(terms[j] for j in kept),
        center=tuple(float(mean[j]) for j in kept),
        spread=tuple(float(np.sqrt(variance[j])) for j in kept),
    )
    means, variances = mean[len(terms) :], variance[len(terms) :]
    return Standardised(
        standard, dropped, weight, means, np.sqrt(np.maximum(variances, 0.0)), others
    )


@dataclass(frozen=True)
class Point:
    """What is maximised, at one place: its value, gradient (q,) and information (q, q)."""

    objective: float
    gradient: Floats
    information: Floats


@dataclass(frozen=True)
class Maximum:
    """Where each of k fits ended, what is there, and the norms of the gradients, shape (k,).

    Norms are relative to the first one, or to 1 if that is smaller.
    """

    at: list[Floats]
    points: list[Point]
    gradients: Floats


def maximise(
    evaluate: Callable[[list[Floats]], list[Point]],
    start: list[Floats],
    step: Callable[[Point], Floats],
    advice: str,
) -> Maximum:
    """Step until every fit has converged; each evaluation, of all fits, is one exchange.

    Args:
        evaluate: the points at the places of all fits.
        start: place of each fit.
        step: from a point, where its halving is not asked for.
        advice: what to do if it does not converge.

    Raises:
        EstimationError: not converged.
        AimedError: a hospital refuses the start, or wherever a step leads.
    """
    at = list(start)
    steps = [np.zeros_like(each) for each in at]
    before, slopes = np.full(len(at), -np.inf), np.zeros(len(at))
    first: Floats | None = None
    refusals = 0
    for _ in range(MAXIMUM_STEPS):
        try:
            points = evaluate(at)
        except AimedError:
            refusals += 1
            if first is None or refusals > MAXIMUM_REFUSALS:
                raise
            steps, slopes = [each / 2 for each in steps], slopes / 2
            at = [each - half for each, half in zip(at, steps, strict=True)]
            continue
        refusals = 0
        norms = np.array([np.linalg.norm(point.gradient) for point in points])
        first = norms if first is None else first
        relative = norms / np.maximum(1.0, first)
        if (relative <= TOLERANCE).all():
            return Maximum(at, points, relative)
        for k, point in enumerate(points):
            if point.objective < before[k] - 1e-9 * abs(before[k]):
                left = shortened(before[k], point.objective, slopes[k])
                at[k] = at[k] - (1 - left) * steps[k]
                steps[k], slopes[k] = left * steps[k], left * slopes[k]
                continue
            before[k] = point.objective
            steps[k] = step(point)
            slopes[k] = point.gradient @ steps[k]
            at[k] = at[k] + steps[k]
    raise EstimationError(f"not converged after {MAXIMUM_STEPS} exchanges: {advice}")


def shortened(before: float, reached: float, slope: float) -> float:
    """What is left of a step that led downhill: to the top of the parabola, a tenth to a half.

    The parabola has the value and slope where the step began and the value where it led (Dennis and
    Schnabel, Numerical Methods for Unconstrained Optimization, 1983, section 6.3.2). Halving would
    take five exchanges where a first step goes thirty times too far, as with rare outcomes.

    Args:
        before: the objective where the step began.
        reached: the objective where it led, lower; -inf if there is none.
        slope: gradient times step, where it began.
    """
    top = slope / (2 * (slope + before - reached)) if slope > 0 else 0.5
    return min(max(top, SHORTEST), 0.5)


def newton_step(point: Point, terms: Sequence[str] | None, where: str) -> Floats:
    """information^-1 gradient, uphill also where the information has negative eigenvalues.

    Args:
        point: where it is.
        terms: of the information, to be named if they are collinear; None if that is no matter.
        where: within what they are.

    Raises:
        EstimationError: terms are collinear.
    """
    values, vectors = np.linalg.eigh(point.information)
    if terms is not None and values[-1] > COLLINEAR * max(values[0], 0.0):
        raise EstimationError(
            f"{', '.join(loaded(terms, vectors[:, 0]))}: one of these follows from the others "
            f"{where}; leave one out, or use a ridge penalty"
        )
    values = np.maximum(np.abs(values), values[-1] / COLLINEAR)
    return np.asarray(vectors @ ((vectors.T @ point.gradient) / values))


def loaded(terms: Sequence[str], direction: Floats) -> list[str]:
    """The terms that make a direction, shape (q,): those above a tenth of the largest."""
    size = np.abs(direction)
    return [term for term, of in zip(terms, size, strict=True) if of > 0.1 * size.max()]


def require_maximum(first: Floats, information: Floats, terms: Sequence[str], what: str) -> None:
    """Refuse a fit whose likelihood rises without end in a direction.

    Args:
        first: information of the p terms where the fit began, shape (p, p).
        information: where it is.
        terms: p of them.
        what: has no finite value.

    Raises:
        EstimationError: in a direction nothing of the information is left; the terms are named.
    """
    root = np.linalg.inv(np.linalg.cholesky(first))
    shares, directions = np.linalg.eigh(root @ information @ root.T)
    if shares[0] < MONOTONE:
        named = ", ".join(loaded(terms, root.T @ directions[:, 0]))
        raise EstimationError(
            f"{named}: the likelihood rises without end, the {what} has no finite value. Leave it "
            "out, or use a ridge penalty"
        )
