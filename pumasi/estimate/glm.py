"""Generalised linear models over hospitals: linear, logistic (ridge), Poisson, negative binomial.

Newton's method on sums: in every exchange each hospital sends, for each fit, the log-likelihood,
the score and the information of its rows (`pumasi.federation.queries.glm`), and the hub steps by
(information + penalty)^-1 score. The maximum is that of the pooled rows: nothing is approximated.
First exchange: sums by which the terms are standardised, and which of them may be used. Then one
exchange a step, with all penalties and folds together and the held-out log-likelihoods in the same
answers. Last, if asked for, the middle of the sandwich. What leaves a hospital is hidden in sums.

The ridge penalty is lambda / 2 times the sum of squares of the standardised coefficients, intercept
and dispersion excepted (Hoerl and Kennard, Technometrics 1970;12:55-67; le Cessie and van
Houwelingen, Applied Statistics 1992;41:191-201).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logit

from pumasi.errors import EstimationError
from pumasi.estimate.newton import Point, maximise, newton_step, require_maximum, standardise
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.glm import symmetric
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, INTERCEPT, Design, Floats, Keys

# Standard deviations of log-odds that no standardised term reaches unless it separates.
SEPARATED = 15.0
ADVICE = "is the outcome separated? Use a ridge penalty or Firth's method"
DISPERSED = "do counts vary more than Poisson's? If they do not, fit a Poisson model"


@dataclass(frozen=True)
class Glm:
    """A model to be fitted.

    Args:
        family: distribution of the outcome.
        terms: columns and products of columns; the intercept is added.
        outcome: column of the outcome.
        flags: those of `terms` that have two levels: each level needs enough persons with and
            without the outcome, or the term is dropped at all hospitals (binomial only).
        weights: column of case weights.
        offset: column of the offset.
        keys: persons who are learned from.
        penalties: values of lambda; the best by held-out log-likelihood is taken.
        folds: into how many the persons are put for that.
        robust: whether the variance is the sandwich by person.
        magnitude: size that the columns are expected to have.
    """

    family: Family
    terms: tuple[str, ...]
    outcome: str
    flags: tuple[str, ...] = ()
    weights: str | None = None
    offset: str | None = None
    keys: Keys = ALL_PERSONS
    penalties: tuple[float, ...] = (0.0,)
    folds: int = 1
    robust: bool = False
    magnitude: float = 1024.0


@dataclass(frozen=True)
class GlmResult:
    """A fitted model, on the scale of the columns.

    `terms` begin with the intercept; `coefficients` and `covariance` are in their order, (p,) and
    (p, p). `log_dispersion` is d of a negative binomial, with its variance; `residual_variance` is
    that of a gaussian, whose log-likelihood is at the variance that maximises it. `held_out` are
    log-likelihoods of the persons of each fold by the fit without them, summed, by penalty.
    `gradient` is the relative norm at which it ended.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    penalty: float
    persons: int
    dropped: tuple[str, ...]
    exchanges: int
    gradient: float
    held_out: dict[float, float] = field(default_factory=dict)
    log_dispersion: float | None = None
    log_dispersion_variance: float | None = None
    residual_variance: float | None = None

    @property
    def standard_errors(self) -> Floats:
        """Of the coefficients, shape (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit_glm(network: Totals, model: Glm) -> GlmResult:
    """Fit the model over the hospitals of the network.

    Raises:
        EstimationError: terms are collinear, the outcome is separated, or it does not converge; the
            message names the terms.
        SuppressedError: too few persons, with or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    return _Fitting(network, model).result()


class Standard:
    """A model whose terms are standardised over the network, with which every fit of it begins.

    `design` has the terms that may be used, the intercept first, `dropped` the others;
    `exchanges` counts what was asked.

    Raises:
        EstimationError: a term has one value in all rows.
        SuppressedError: too few persons, with or without the outcome.
    """

    def __init__(self, network: Totals, model: Glm) -> None:
        self.network, self.model = network, model
        self.exchanges = 0
        self.design, self.dropped = self._standardised()

    def ask(self, queries: Sequence[Query]) -> list[Total]:
        """One exchange."""
        self.exchanges += 1
        return self.network.total(queries)

    def start(self, size: int) -> Floats:
        """The intercept that the means of outcome and offset ask for, nothing else; shape (size,).

        From 0 the first step of a log link goes far beyond the maximum: few persons weigh all.

        Raises:
            EstimationError: all persons have the outcome, or none.
        """
        mean, at = self.mean_outcome, np.zeros(size)
        if self.model.family is Family.GAUSSIAN:
            at[0] = mean - self.mean_offset
            return at
        if mean <= 0 or (self.model.family is Family.BINOMIAL and mean >= 1):
            raise EstimationError(f"{self.model.outcome} is the same in all rows of the network")
        at[0] = logit(mean) if self.model.family is Family.BINOMIAL else np.log(mean)
        at[0] -= self.mean_offset
        return at

    def back(self) -> Floats:
        """What turns coefficients of standardised terms into those of the columns, (p, p)."""
        center, spread = np.asarray(self.design.center), np.asarray(self.design.spread)
        back = np.diag(1 / spread)
        back[0, 1:] = -center[1:] / spread[1:]
        return back

    def _standardised(self) -> tuple[Design, tuple[str, ...]]:
        """One exchange: which terms may be used, and how they are standardised."""
        model = self.model
        found = standardise(
            self.ask,
            model.terms,
            model.outcome if model.family is Family.BINOMIAL else None,
            flags=model.flags if model.family is Family.BINOMIAL else (),
            besides=(model.outcome, *([model.offset] if model.offset else [])),
            weights=model.weights,
            keys=model.keys,
            magnitude=model.magnitude,
        )
        self.weight, self.mean_outcome = found.weight, float(found.means[0])
        self.mean_offset = float(found.means[1]) if model.offset else 0.0
        self.residual = 1.0
        if model.family is Family.GAUSSIAN:
            self.residual = float(found.spreads[0])
            if self.residual <= 1e-6 * abs(self.mean_outcome):
                raise EstimationError(
                    f"{model.outcome} is the same in all rows of the network, or varies too little "
                    f"for values of the magnitude {model.magnitude:g}"
                )
        design = found.design
        return (
            Design(
                terms=(INTERCEPT, *design.terms),
                center=(0.0, *(design.center or ())),
                spread=(1.0, *(design.spread or ())),
            ),
            found.dropped,
        )


class _Fitting(Standard):
    """One model on its way: the standardised design, the fits, and where each of them is."""

    def __init__(self, network: Totals, model: Glm) -> None:
        super().__init__(network, model)
        held_out = [None, *range(model.folds)] if model.folds > 1 else [None]
        self.fits = [(penalty, fold) for penalty in model.penalties for fold in held_out]
        self.dispersed = model.family is Family.NEGATIVE_BINOMIAL
        self.size = len(self.design.terms) + self.dispersed
        self.first: list[Point] = []

    def result(self) -> GlmResult:
        start = [self.start(self.size) for _ in self.fits]
        found = maximise(self._points, start, self._step, DISPERSED if self.dispersed else ADVICE)
        at, total = found.at, self.total
        chosen, held_out = self._best(total)
        information = found.points[chosen].information
        if self.fits[chosen][0] == 0 and self.model.family is not Family.GAUSSIAN:
            q = len(self.design.terms)
            first = self.first[chosen].information[:q, :q]
            require_maximum(first, information[:q, :q], self.design.terms, "coefficient")
        covariance = np.linalg.inv(information)
        likelihood, variance = float(total["log_likelihood"][chosen]), None
        if self.model.family is Family.GAUSSIAN:
            squares = -2 * likelihood
            variance = squares / (self.weight - len(self.design.terms))
            likelihood = -self.weight / 2 * (np.log(2 * np.pi * squares / self.weight) + 1)
            covariance = covariance * variance
        if self.model.robust:
            covariance = self._sandwich(at[chosen], information)
        back = self.back()
        p = len(self.design.terms)
        return GlmResult(
            terms=self.design.terms,
            coefficients=back @ at[chosen][:p],
            covariance=back @ covariance[:p, :p] @ back.T,
            log_likelihood=float(likelihood),
            penalty=self.fits[chosen][0],
            persons=round(total.number("persons")),
            dropped=self.dropped,
            exchanges=self.exchanges,
            gradient=float(found.gradients[chosen]),
            held_out=held_out,
            log_dispersion=float(at[chosen][p]) if self.dispersed else None,
            log_dispersion_variance=float(covariance[p, p]) if self.dispersed else None,
            residual_variance=variance,
        )

    def _points(self, at: list[Floats]) -> list[Point]:
        """One exchange: every fit where it is."""
        self._refuse_separation(at)
        self.total = self._step_total(at)
        points = [self._point(k, each) for k, each in enumerate(at)]
        self.first = self.first or points
        return points

    def _point(self, k: int, at: Floats) -> Point:
        total, penalty = self.total, self._penalty(k)
        return Point(
            objective=float(total["log_likelihood"][k] - at @ penalty @ at / 2),
            gradient=np.asarray(total["score"][k] - penalty @ at),
            information=symmetric(total["information"][k]) + penalty,
        )

    def _step(self, point: Point) -> Floats:
        # Away from its maximum a negative binomial curves the wrong way: go uphill all the same.
        return newton_step(
            point, None if self.dispersed else self.design.terms, "over the whole network"
        )

    def _step_total(self, at: Sequence[Floats]) -> Total:
        model, p = self.model, len(self.design.terms)
        fits = tuple(
            Fit(
                coefficients=tuple(map(float, at[k][:p])),
                held_out=fold,
                log_dispersion=float(at[k][p]) if self.dispersed else 0.0,
            )
            for k, (_, fold) in enumerate(self.fits)
        )
        query = GlmStep(
            family=model.family,
            design=self.design,
            outcome=model.outcome,
            weights=model.weights,
            offset=model.offset,
            keys=model.keys,
            fits=fits,
            folds=model.folds,
            residual=self.residual,
        )
        return self.ask([query])[0]

    def _penalty(self, k: int) -> Floats:
        penalised = np.full(self.size, self.fits[k][0])
        penalised[0] = 0.0
        if self.dispersed:
            penalised[-1] = 0.0
        return np.diag(penalised)

    def _refuse_separation(self, at: Sequence[Floats]) -> None:
        if self.model.family is not Family.BINOMIAL:
            return
        for (penalty, fold), b in zip(self.fits, at, strict=True):
            if penalty == 0 and fold is None and np.abs(b[1:]).max(initial=0) > SEPARATED:
                term = self.design.terms[1 + int(np.abs(b[1:]).argmax())]
                raise EstimationError(
                    f"{term} separates persons with the outcome from those without: its "
                    "coefficient has no finite value. Use a ridge penalty or Firth's method"
                )

    def _best(self, total: Total) -> tuple[int, dict[float, float]]:
        """The fit of all persons with the best penalty, and the held-out log-likelihoods."""
        held_out = {
            penalty: float(
                sum(
                    total["held_out_log_likelihood"][k]
                    for k, (of, fold) in enumerate(self.fits)
                    if of == penalty and fold is not None
                )
            )
            for penalty in self.model.penalties
        }
        if self.model.folds < 2:
            return 0, {}
        best = max(held_out, key=lambda penalty: held_out[penalty])
        return self.fits.index((best, None)), held_out

    def _sandwich(self, at: Floats, information: Floats) -> Floats:
        bread = np.linalg.inv(information)
        model, p = self.model, len(self.design.terms)
        fit = Fit(
            coefficients=tuple(map(float, at[:p])),
            log_dispersion=float(at[p]) if self.dispersed else 0.0,
        )
        query = GlmMeat(
            family=model.family,
            design=self.design,
            outcome=model.outcome,
            weights=model.weights,
            offset=model.offset,
            keys=model.keys,
            fit=fit,
            residual=self.residual,
        )
        meat = symmetric(self.ask([query])[0]["meat"])
        return np.asarray(bread @ meat @ bread)
