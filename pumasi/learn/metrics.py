"""Whether predicted risks are right on persons the model has not seen: calibration.

All functions take `outcome` (bool, shape (n,)) and `risk` (probabilities strictly between 0 and 1,
shape (n,)).
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pumasi.auroc import Outcomes, Risks


def calibration_slope(outcome: Outcomes, risk: Risks) -> float:
    """Slope of the outcome's log-odds on the predicted log-odds; 1 is ideal, < 1 is overfitting.

    The maximum-likelihood slope of Cox, Biometrika 1958;45:562-565. It is infinite where risk tells
    all persons with the outcome from all without, and nan where everybody has the same risk.
    """
    predicted = logit(risk)
    if np.ptp(predicted) == 0:
        return float("nan")
    if predicted[outcome].min() >= predicted[~outcome].max():
        return float("inf")
    if predicted[outcome].max() <= predicted[~outcome].min():
        return float("-inf")
    # lbfgs, the default, stops early where risks lie close together: in the second decimal, or far
    # off. Newton's steps do not depend on how they are spread.
    newton = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return float(newton.fit(predicted[:, None], outcome).coef_[0, 0])


def calibration_intercept(outcome: Outcomes, risk: Risks) -> float:
    """Calibration in the large: shift of the log-odds that makes the mean right; 0 is ideal.

    The maximum-likelihood intercept with the slope held at 1: sum(outcome) = sum(expit(a + logit)).
    """
    predicted = logit(risk)
    events = outcome.sum()
    return float(brentq(lambda a: expit(a + predicted).sum() - events, -50, 50))
