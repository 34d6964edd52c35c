"""Ridge logistic regression on noisy sums: how much the model tells of a person is bounded.

Newton's method with a number of steps that is set beforehand: what is not exact can't be seen to
converge. Each step is one exchange, in which every hospital sends the score g and the information H
of its persons with discrete Gaussian noise of its own (`pumasi.federation.queries.bounded`,
`pumasi.disclosure.noise`), and the hub steps by (H + P)^-1 (g - P b). Nothing else is asked, since
everything spends: bounds of terms, penalty and the share with the outcome are stated, no column is
screened or standardised, no penalty is chosen by folds.

The budget of the fit is divided beforehand: half to the last step, by whose noise the estimate is
off, the other half to the steps before in equal shares. Each hospital is told what is to follow,
and refuses the first exchange if its ledger can't pay for all of it.

Eigenvalues of H + P below 2 s sqrt(q), which the norm of a symmetric matrix of noise of deviation s
tends to (Anderson, Guionnet and Zeitouni, An Introduction to Random Matrices, 2010, theorem
2.1.22), tell nothing: they are set to it, so that the step is uphill and not too long (Ganesh,
Haghifam, Steinke and Thakurta, NeurIPS 2023, who clip them as well). After the last step b is off
the ridge estimate by (H + P)^-1 (n + N d), with n and N the noise of its score and information and
d what it was off before. So the noise adds to the covariance (H + P)^-1 of the estimate

    (H + P)^-1 (t^2 I + s^2 (tr(C) I + C - diag(C))) (H + P)^-1,

with t the deviation of n and C = t'^2 (H' + P)^-2 the covariance of d, primes for the step before
(Avella-Medina, Bradshaw and Loh, Annals of Statistics 2023;51:2067-2092, whose correction is the
term with t^2; the second one is the variance of N d).

There is no interval if an eigenvalue of the last step was set, and no estimate if the last step is
longer than the noise of the two last steps makes likely.

Penalty: lambda / 2 times the sum of squares of the coefficients of terms that are scaled to -1 and
1 at their bounds, intercept excepted. A person counts once, however many rows there are: the score
of a person is a mean, which varies no more than one row does, so that (H + P)^-1 is at the safe
side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from scipy.stats import chi2

from pumasi.errors import EstimationError
from pumasi.federation.messages import Privacy
from pumasi.federation.network import NoisyTotals
from pumasi.federation.queries import BoundedLogisticStep
from pumasi.federation.queries.bounded import LENGTH
from pumasi.federation.queries.glm import symmetric
from pumasi.federation.rows import ALL_PERSONS, INTERCEPT, Floats, Keys
from pumasi.federation.zcdp import epsilon_of, rho_of

# How likely noise alone makes the last step of a fit that has settled longer than is taken for it.
UNLIKELY = 0.0001
# Parts of a whole may add up to more than it by rounding, and a ledger rounds nothing.
SHORT_OF_ALL = 1 - 1e-9


def require_guarantee(epsilon: float, delta: float) -> None:
    """Raises EstimationError if these are no guarantee."""
    if not (epsilon > 0 and 0 < delta < 1):
        raise EstimationError("a guarantee needs an epsilon above 0 and a delta in (0, 1)")


@dataclass(frozen=True)
class Bounded:
    """A term, a column or a product of columns, and the bounds within which it is taken.

    They are known beforehand and from elsewhere: bounds that were looked up in the data tell of it.
    Tight ones cost less: noise is in proportion to what lies between them.
    """

    name: str
    lower: float
    upper: float


@dataclass(frozen=True)
class PrivateLogistic:
    """A model to be fitted with noise.

    Args:
        terms: with their bounds; the intercept is added.
        outcome: column of 0 and 1.
        epsilon: of the fit, for the persons of each hospital: what each may tell of one person.
        delta: of the fit; below one in the number of persons.
        penalty: lambda, of terms that are scaled by their bounds.
        steps: of Newton's method, two at least.
        expected: share with the outcome that is expected from elsewhere, by which the fit begins;
            0.5 if nothing is known, and then a rare outcome takes more steps.
        keys: persons who are learned from.
    """

    terms: tuple[Bounded, ...]
    outcome: str
    epsilon: float
    delta: float
    penalty: float = 1.0
    steps: int = 5
    expected: float = 0.5
    keys: Keys = ALL_PERSONS

    def __post_init__(self) -> None:
        require_guarantee(self.epsilon, self.delta)
        if self.steps < 2 or not 0 < self.expected < 1 or self.penalty < 0:
            raise EstimationError(
                "needed are two steps or more, a share expected in (0, 1), and no penalty below 0"
            )
        if wrong := [term.name for term in self.terms if term.lower >= term.upper]:
            raise EstimationError(f"{', '.join(wrong)}: the lower bound is not below the upper one")


@dataclass(frozen=True)
class PrivateResult:
    """A model fitted with noise, on the scale of the columns, within their bounds.

    `terms` begin with the intercept; `coefficients`, (p,), and `covariance`, (p, p), are in their
    order. `covariance` is that of sampling and noise together, `noise` that of the noise alone;
    both are None, and there is no interval, where noise hides how steep the likelihood is: that
    takes more persons, fewer terms, tighter bounds, a larger penalty or more budget. `epsilon` and
    `delta` are what every hospital has spent for this fit, `rho` as its ledger books it.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats | None
    noise: Floats | None
    penalty: float
    epsilon: float
    delta: float
    rho: float
    exchanges: int

    @property
    def standard_errors(self) -> Floats | None:
        """Of the coefficients, shape (p,), noise included; None where there is no interval."""
        return None if self.covariance is None else np.sqrt(np.diag(self.covariance))


def fit_private_logistic(network: NoisyTotals, model: PrivateLogistic) -> PrivateResult:
    """Fit the model over the hospitals of the network.

    Raises:
        EstimationError: the steps have not settled.
        RefusalError: a hospital has not the budget for the whole fit, or answers with no noise; it
            is named. What the others had answered of the exchange is spent.
        FederationError: a hospital did not answer.
    """
    at = np.zeros(1 + len(model.terms))
    at[0] = logit(model.expected)
    plan, steps = _divided(model), []
    for privacy in plan:
        steps.append(_step(network, model, at, privacy))
        at = at + steps[-1].move
    before, last = steps[-2:]
    _require_settled(before, last)
    noise = last.noise(before.first_order)
    rho = sum(privacy.rho for privacy in plan)
    return PrivateResult(
        terms=(INTERCEPT, *(term.name for term in model.terms)),
        coefficients=last.back @ at,
        covariance=last.back @ (last.inverse + noise) @ last.back.T if last.known else None,
        noise=last.back @ noise @ last.back.T if last.known else None,
        penalty=model.penalty,
        epsilon=epsilon_of(rho, model.delta),
        delta=model.delta,
        rho=rho,
        exchanges=len(steps),
    )


def _divided(model: PrivateLogistic) -> list[Privacy]:
    """What each exchange spends, and what is to follow."""
    rho = rho_of(model.epsilon, model.delta) * SHORT_OF_ALL
    shares = np.append(np.full(model.steps - 1, 0.5 / (model.steps - 1)), 0.5)
    return [
        Privacy(clip=LENGTH, rho=float(rho * share), rest=float(rho * shares[number + 1 :].sum()))
        for number, share in enumerate(shares)
    ]


@dataclass(frozen=True)
class _Step:
    """One step, of scaled terms.

    Args:
        move: what is added to the coefficients, shape (q,).
        inverse: of the information with penalty, whose eigenvalues were set if need be, (q, q).
        known: whether none had to be.
        score_noise: standard deviation of the noise in an entry of the score.
        information_noise: the same of the information.
        back: what turns coefficients of scaled terms into those of the columns, (q, q).
    """

    move: Floats
    inverse: Floats
    known: bool
    score_noise: float
    information_noise: float
    back: Floats

    @property
    def first_order(self) -> Floats:
        """Covariance of the coefficients by the noise of the score, shape (q, q)."""
        return np.asarray(self.score_noise**2 * self.inverse @ self.inverse)

    def noise(self, before: Floats) -> Floats:
        """The same with that of the information, given the covariance before the step, (q, q)."""
        of_information = np.trace(before) * np.eye(len(before)) + before - np.diag(np.diag(before))
        middle = self.information_noise**2 * of_information
        return np.asarray(self.first_order + self.inverse @ middle @ self.inverse)


def _step(network: NoisyTotals, model: PrivateLogistic, at: Floats, privacy: Privacy) -> _Step:
    """One exchange."""
    query = BoundedLogisticStep(
        terms=tuple(term.name for term in model.terms),
        lower=tuple(float(term.lower) for term in model.terms),
        upper=tuple(float(term.upper) for term in model.terms),
        outcome=model.outcome,
        coefficients=tuple(map(float, at)),
        keys=model.keys,
    )
    [total] = network.noisy_total([query], privacy)
    score_part, information_part = query.parts()
    hospitals = len(total.contributors)
    noise = privacy.deviation(information_part, hospitals)
    penalty = np.diag([0.0, *[model.penalty] * len(model.terms)])
    values, vectors = np.linalg.eigh(symmetric(total["information"]) + penalty)
    floor = 2 * noise * np.sqrt(len(at))
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    return _Step(
        move=inverse @ (total["score"] - penalty @ at),
        inverse=inverse,
        known=bool(values[0] >= floor),
        score_noise=privacy.deviation(score_part, hospitals),
        information_noise=noise,
        back=_back(query),
    )


def _require_settled(before: _Step, last: _Step) -> None:
    expected = before.first_order + last.noise(before.first_order)
    length = last.move @ np.linalg.solve(expected, last.move)
    if length > chi2.ppf(1 - UNLIKELY, len(last.move)):
        raise EstimationError(
            "the last step was longer than noise makes it, so that no estimate can be given; what "
            "was answered is spent. Take more steps, or begin with a better share expected: one "
            "too near to 0 or 1 steps too far"
        )


def _back(query: BoundedLogisticStep) -> Floats:
    back = np.diag([1.0, *(1 / query.spread)])
    back[0, 1:] = -query.center / query.spread
    return back
