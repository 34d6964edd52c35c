"""Kidney function: CKD-EPI 2021 (no race) and its inverse, from filtration to creatinine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pumasi.simulate.columns import Floats

# Inker, NEJM 2021 (clinical.md 3.3): kappa in mg/dL, alpha, by sex (male, female).
_KAPPA = (0.9, 0.7)
_ALPHA = (-0.302, -0.241)
_BEYOND = -1.200
_OF_WOMEN = 1.012


def egfr_of(creatinine: npt.ArrayLike, age: npt.ArrayLike, female: npt.ArrayLike) -> Floats:
    """Return the filtration rate (mL/min/1.73 m2) of creatinine (mg/dL) at an age in years."""
    ratio = np.asarray(creatinine) / np.where(female, _KAPPA[1], _KAPPA[0])
    alpha = np.where(female, _ALPHA[1], _ALPHA[0])
    power = np.where(ratio < 1, alpha, _BEYOND)
    egfr: Floats = _at_kappa(age, female) * ratio**power
    return egfr


def creatinine_of(egfr: npt.ArrayLike, age: npt.ArrayLike, female: npt.ArrayLike) -> Floats:
    """Return the creatinine (mg/dL) of which `egfr_of` gives `egfr` (above 0) at an age in years.

    The equation is for adults; for a child it gives what the equation would be fed.
    """
    ratio = np.asarray(egfr) / _at_kappa(age, female)
    alpha = np.where(female, _ALPHA[1], _ALPHA[0])
    power = np.where(ratio > 1, alpha, _BEYOND)
    # Above the rate at kappa the power is small and would let creatinine fall without a bound.
    value: Floats = np.where(female, _KAPPA[1], _KAPPA[0]) * ratio ** (1 / power)
    return np.maximum(value, 0.2)


def _at_kappa(age: npt.ArrayLike, female: npt.ArrayLike) -> Floats:
    at: Floats = 142 * 0.9938 ** np.asarray(age, float) * np.where(female, _OF_WOMEN, 1.0)
    return at
