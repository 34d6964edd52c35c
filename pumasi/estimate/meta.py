"""Meta-analysis of hospitals: of their estimates, or of their profile log-likelihoods.

Estimates y_i with variances v_i are combined with weights 1 / v_i (fixed effect: one effect
everywhere) or 1 / (v_i + t) (random effects: effects vary between hospitals with variance t).
t is DerSimonian and Laird's (Controlled Clinical Trials 1986;7:177-188), Paule and Mandel's (J Res
Natl Bur Stand 1982;87:377-385) or that of restricted maximum likelihood (Viechtbauer, Journal of
Educational and Behavioral Statistics 2005;30:261-293). The interval of few hospitals is Hartung and
Knapp's (Statistics in Medicine 2001;20:3875-3889), made no shorter than the usual one if asked for
(Roever, Knapp and Friede, BMC Medical Research Methodology 2015;15:99). The prediction interval of
a new hospital's effect is Higgins, Thompson and Spiegelhalter's (JRSS A 2009;172:137-159).

With few outcomes an estimate and its variance are no summary, and a hospital without any has none.
A profile log-likelihood is: every hospital gives the log-likelihood at each of a grid of effects,
maximised over its own other coefficients (Schuemie, Chen, Madigan and Suchard, Statistical Methods
in Medical Research 2022;31:438-450). Their sum is the profile of one effect with hospitals as
strata, and needs no hospital's own answer: it is asked for as a total, in one exchange. Random
effects integrate each hospital's likelihood over a normal distribution of effects, and maximise
over its mean and variance: they need every hospital's own answer, whose persons by treatment and
outcome must reach the minimum each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2, norm, t

from pumasi.errors import EstimationError
from pumasi.federation.network import Network, Totals
from pumasi.federation.queries import Family, ProfileLikelihood
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys


class Between(StrEnum):
    """How the variance between hospitals is estimated; none for a fixed effect."""

    NONE = "none"
    DERSIMONIAN_LAIRD = "dersimonian_laird"
    PAULE_MANDEL = "paule_mandel"
    REML = "reml"


@dataclass(frozen=True)
class Combined:
    """A combined effect.

    `variance_between` is that of the hospitals' effects; `heterogeneity` is Cochran's Q with its
    p-value, and `inconsistency` I^2, the part of Q that chance does not explain. `predicted` is the
    interval of a new hospital's effect, None with fewer than three hospitals or a fixed effect.
    """

    estimate: float
    standard_error: float
    lower: float
    upper: float
    variance_between: float
    heterogeneity: float
    heterogeneity_p: float
    inconsistency: float
    predicted: tuple[float, float] | None = None


def combine(
    estimates: Floats,
    standard_errors: Floats,
    between: Between = Between.REML,
    *,
    hartung_knapp: bool = False,
    no_shorter: bool = False,
    level: float = 0.95,
) -> Combined:
    """Combine the hospitals' estimates, shape (k,).

    Args:
        estimates: on a scale on which they are about normal, as log-odds ratios are.
        standard_errors: theirs.
        between: how the variance between hospitals is estimated.
        hartung_knapp: whether the interval is Hartung and Knapp's.
        no_shorter: whether that one is at least as long as the usual one.
        level: of the interval.

    Raises:
        EstimationError: fewer than two estimates, or one that is not finite or has no error.
    """
    y, v = np.asarray(estimates, dtype=np.float64), np.asarray(standard_errors, np.float64) ** 2
    if y.shape != v.shape or y.ndim != 1 or len(y) < 2:
        raise EstimationError("a meta-analysis needs two hospitals, each with a standard error")
    if not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        raise EstimationError("a hospital has no finite estimate: use profile log-likelihoods")
    k, found = len(y), _variance_between(y, v, between)
    weight = 1 / (v + found)
    mean = weight @ y / weight.sum()
    q = float(_cochran(y, v, 0.0))
    error, quantile = float(weight.sum() ** -0.5), float(norm.ppf((1 + level) / 2))
    usual = error
    if hartung_knapp:
        scale = float(_cochran(y, v, found)) / (k - 1)
        error = float(np.sqrt((max(1.0, scale) if no_shorter else scale) / weight.sum()))
        quantile = float(t.ppf((1 + level) / 2, k - 1))
    predicted = None
    if between is not Between.NONE and k > 2:
        spread = t.ppf((1 + level) / 2, k - 2) * np.sqrt(found + usual**2)
        predicted = float(mean - spread), float(mean + spread)
    return Combined(
        estimate=float(mean),
        standard_error=error,
        lower=float(mean - quantile * error),
        upper=float(mean + quantile * error),
        variance_between=found,
        heterogeneity=q,
        heterogeneity_p=float(chi2.sf(q, k - 1)),
        inconsistency=max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0,
        predicted=predicted,
    )


def _cochran(y: Floats, v: Floats, between: float) -> float:
    weight = 1 / (v + between)
    mean = weight @ y / weight.sum()
    return float(weight @ (y - mean) ** 2)


def _variance_between(y: Floats, v: Floats, between: Between) -> float:
    k, w = len(y), 1 / v
    if between is Between.NONE:
        return 0.0
    if between is Between.DERSIMONIAN_LAIRD:
        c = w.sum() - (w**2).sum() / w.sum()
        return max(0.0, float((_cochran(y, v, 0.0) - (k - 1)) / c))
    # Beyond this no variance between hospitals is likely.
    most = float(np.ptp(y) ** 2 + v.max())
    if between is Between.PAULE_MANDEL:
        if _cochran(y, v, 0.0) <= k - 1:
            return 0.0
        while _cochran(y, v, most) > k - 1:
            most *= 2
        return float(brentq(lambda of: _cochran(y, v, of) - (k - 1), 0.0, most, xtol=1e-15))

    def slope(of: float) -> float:
        """Twice the derivative of the restricted log-likelihood."""
        weight = 1 / (v + of)
        mean = weight @ y / weight.sum()
        square = float(weight**2 @ (y - mean) ** 2)
        return square - float(weight.sum()) + float((weight**2).sum() / weight.sum())

    # The highest of its maxima: it may have several.
    grid = np.append(0.0, most * np.geomspace(1e-8, 1.0, 200))
    signs = np.array([slope(of) for of in grid])
    candidates = [0.0] + [
        float(brentq(slope, grid[j], grid[j + 1], xtol=1e-15))
        for j in np.flatnonzero((signs[:-1] > 0) & (signs[1:] <= 0))
    ]
    return max(candidates, key=lambda of: _restricted(y, v, of))


def _restricted(y: Floats, v: Floats, between: float) -> float:
    weight = 1 / (v + between)
    return float((np.log(weight).sum() - np.log(weight.sum()) - _cochran(y, v, between)) / 2)


@dataclass(frozen=True)
class Effect:
    """Whose profile is asked for.

    Args:
        family: binomial or Poisson.
        treatment: column of 0 and 1.
        outcome: column of the outcome.
        terms: columns that every hospital adjusts for by coefficients of its own.
        offset: column of the offset.
        keys: persons who are learned from.
        grid: coefficients of the treatment, from the lowest; the effect must lie within.
    """

    family: Family
    treatment: str
    outcome: str
    terms: tuple[str, ...] = ()
    offset: str | None = None
    keys: Keys = ALL_PERSONS
    grid: tuple[float, ...] = tuple(np.linspace(-5, 5, 201).tolist())

    def query(self) -> ProfileLikelihood:
        """What is asked of the hospitals."""
        return ProfileLikelihood(
            family=self.family,
            treatment=self.treatment,
            outcome=self.outcome,
            terms=self.terms,
            offset=self.offset,
            keys=self.keys,
            grid=self.grid,
        )


@dataclass(frozen=True)
class Profiled:
    """An effect from profiles, with the interval of its likelihood ratio.

    An end is infinite if the likelihood does not fall within the grid. `variance_between` is 0 of
    one effect everywhere.
    """

    estimate: float
    lower: float
    upper: float
    variance_between: float
    exchanges: int


def one_effect(network: Totals, effect: Effect, level: float = 0.95) -> Profiled:
    """One effect everywhere, with hospitals as strata: from the sum of profiles.

    Raises:
        EstimationError: the likelihood has no maximum within the grid.
        SuppressedError: too few persons in a group, with or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    [total] = network.total([effect.query()])
    grid = np.asarray(effect.grid)
    estimate, lower, upper = _likelihood_interval(grid, total["profile"], level)
    return Profiled(estimate, lower, upper, 0.0, exchanges=1)


def varying_effects(network: Network, effect: Effect, level: float = 0.95) -> Profiled:
    """The mean of effects that vary between hospitals, from each one's profile.

    Raises:
        EstimationError: a hospital may not tell its own profile, fewer than two hospitals, or no
            maximum within the grid.
        FederationError: a hospital did not answer.
    """
    [answers] = network.each([effect.query()])
    if network.refusals:
        # Without them the mean would be that of the larger hospitals.
        said = ", ".join(f"{name} ({code})" for name, code in sorted(network.refusals.items()))
        raise EstimationError(f"{said} may not tell its own profile: ask for one effect of all")
    return combine_profiles(
        np.asarray(effect.grid), np.array([each["profile"] for each in answers]), level
    )


def combine_profiles(grid: Floats, profiles: Floats, level: float = 0.95) -> Profiled:
    """The mean of effects of which these are profiles, shape (k, points), at the grid, (points,).

    Beyond the grid a profile is taken as what it is at the nearer end. The interval is that of the
    profile of the mean, the variance maximised.

    Raises:
        EstimationError: fewer than two hospitals, or no maximum within the grid.
    """
    if len(profiles) < 2:
        raise EstimationError("effects of two hospitals are the fewest that can vary")
    # Effects are integrated on a finer and longer grid: quadrature by equal steps.
    width = float(grid[-1] - grid[0])
    fine = np.linspace(grid[0] - width, grid[-1] + width, 3001)
    inside = np.clip(fine, grid[0], grid[-1])
    curves = CubicSpline(grid, profiles, axis=1)(inside)
    step, highest = float(fine[1] - fine[0]), curves.max(axis=1)
    relative = np.exp(curves - highest[:, None])

    summed = CubicSpline(grid, profiles.sum(axis=0))

    def likelihood(mean: float, deviation: float) -> float:
        if deviation < 2 * step:
            return float(summed(np.clip(mean, grid[0], grid[-1])))
        density = np.exp(-(((fine - mean) / deviation) ** 2) / 2) / deviation
        integral = relative @ density * step / np.sqrt(2 * np.pi)
        return float((np.log(np.maximum(integral, 1e-300)) + highest).sum())

    most = width / 4

    def best(mean: float) -> tuple[float, float]:
        """The maximum over the deviation, and where it is."""
        found = minimize_scalar(
            lambda of: -likelihood(mean, of), bounds=(2 * step, most), method="bounded"
        )
        one = likelihood(mean, 0.0)
        return (one, 0.0) if one >= -found.fun else (-float(found.fun), float(found.x))

    coarse = np.array([best(mean)[0] for mean in grid])
    around = _around(grid, coarse)
    top = minimize_scalar(
        lambda mean: -best(mean)[0], bounds=around, method="bounded", options={"xatol": 1e-6}
    )
    fall = -float(top.fun) - chi2.ppf(level, 1) / 2
    ends = [-np.inf, np.inf]
    known = dict(zip(grid, coarse, strict=True))
    for side, outward in ((0, grid[grid <= top.x][::-1]), (1, grid[grid >= top.x])):
        beyond = [mean for mean in outward if known[mean] < fall]
        if beyond:
            between = sorted((float(top.x), float(beyond[0])))
            ends[side] = float(brentq(lambda mean: best(mean)[0] - fall, *between, xtol=1e-6))
    return Profiled(float(top.x), ends[0], ends[1], best(float(top.x))[1] ** 2, exchanges=1)


def _around(grid: Floats, profile: Floats) -> tuple[float, float]:
    """The points beside the highest one.

    Raises:
        EstimationError: it is at an end of the grid, or this is no grid.
    """
    if len(grid) < 4 or (np.diff(grid) <= 0).any():
        raise EstimationError("a grid needs four points or more, from the lowest")
    top = int(np.argmax(profile))
    if top in (0, len(grid) - 1):
        raise EstimationError("the likelihood has no maximum within the grid: widen it")
    return float(grid[top - 1]), float(grid[top + 1])


def _likelihood_interval(grid: Floats, profile: Floats, level: float) -> tuple[float, float, float]:
    """Where a profile is highest, and where it is lower by half a chi-square quantile."""
    low, high = _around(grid, profile)
    curve = CubicSpline(grid, profile)
    stationary = curve.derivative().roots(extrapolate=False)
    near = stationary[(stationary >= low) & (stationary <= high)]
    estimate = float(near[np.argmax(curve(near))])
    level_at = float(curve(estimate) - chi2.ppf(level, 1) / 2)
    crossings = curve.solve(level_at, extrapolate=False)
    below, above = crossings[crossings < estimate], crossings[crossings > estimate]
    lower = float(below.max()) if len(below) else -np.inf
    upper = float(above.min()) if len(above) else np.inf
    return estimate, lower, upper
