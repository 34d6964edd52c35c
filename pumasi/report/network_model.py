"""The page of a network model: how good it is, where a hospital's own is better, who took part.

Self-contained; for the hub and all who took part: nothing in it that did not leave through an
airlock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from pumasi.auroc import Interval
from pumasi.learn.network_model import AtHospital, NetworkModel
from pumasi.report import svg
from pumasi.report.template import render

_METHODS = {
    "ridge": "ridge logistic regression, penalty by cross-validation",
    "firth": "Firth's logistic regression with the intercept re-estimated (FLIC)",
}


@dataclass(frozen=True)
class Bin:
    """Persons' rows by predicted risk: share of all rows, mean risk, share with the outcome."""

    share: float
    risk: float
    observed: float
    lower: float
    upper: float
    enrichment: float


def network_model_page(
    model: NetworkModel, names: Mapping[str, str], pooled: NetworkModel | None = None
) -> str:
    """The page as HTML.

    Args:
        model: what was learned.
        names: of the hospitals, by id.
        pooled: the same of all rows together, where that is possible: a simulated network.
    """
    better = [each for each in model.hospitals if each.own_is_better]
    return render(
        "network_model.html",
        model=model,
        names=names,
        method=_METHODS[model.method],
        better=better,
        told=any(each.network and each.own for each in model.hospitals),
        pooled=pooled,
        difference=_difference(model, pooled) if pooled else None,
        forest=_forest(model.hospitals, names),
        curve=_curve(model),
        bins=_bins(model),
        terms=_terms(model),
    )


def _forest(hospitals: Sequence[AtHospital], names: Mapping[str, str]) -> str:
    rows: list[svg.Compared] = [
        (
            _label(each.hospital, names),
            (_limits(each.network), _limits(each.own)),
        )
        for each in hospitals
        if each.network is not None
    ]
    if not rows:
        return ""
    alt = "AUROC of the network's model and of the hospital's own, with 95 % intervals, by hospital"
    return svg.forest(rows, (0.4, 1.0), alt, "AUROC: square network, circle own")


def _label(hospital: str, names: Mapping[str, str]) -> str:
    """The hospital's name; its id where that is too long for the plot, or another's too."""
    name = names.get(hospital, hospital)
    is_shared = list(names.values()).count(name) > 1
    return hospital if is_shared or cell_len(name) > svg.LABEL else name


def _limits(area: Interval | None) -> tuple[float, float, float] | None:
    return None if area is None else (area.estimate, area.lower, area.upper)


def _curve(model: NetworkModel) -> str:
    curve = model.calibration["curve"]
    points = list(
        zip(curve["risk"], curve["observed"], curve["lower"], curve["upper"], strict=True)
    )
    alt = "Share with the outcome by predicted risk, with 95 % intervals"
    return svg.calibration(points, alt)


def _bins(model: NetworkModel) -> list[Bin]:
    curve, overall = model.calibration["curve"], model.calibration["observed"]
    every = sum(curve["rows"])
    return [
        Bin(rows / every, risk, observed, lower, upper, observed / overall)
        for rows, risk, observed, lower, upper in zip(
            *(curve[name] for name in ("rows", "risk", "observed", "lower", "upper")), strict=True
        )
    ][::-1]


def _terms(model: NetworkModel) -> list[tuple[str, float, float]]:
    found = zip(model.terms, model.coefficients, model.standard_errors, strict=True)
    return sorted(found, key=lambda each: -abs(each[1] / each[2]))


def _difference(model: NetworkModel, pooled: NetworkModel) -> float:
    """Largest difference of a coefficient or standard error, relative above 1."""
    pairs = [
        *zip(model.coefficients, pooled.coefficients, strict=True),
        *zip(model.standard_errors, pooled.standard_errors, strict=True),
    ]
    return max(abs(a - b) / max(1, abs(b)) for a, b in pairs)
