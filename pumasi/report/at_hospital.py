"""The page of a network's model at one hospital: for the hospital alone, in its own folder."""

from __future__ import annotations

from pumasi.learn.at_hospital import Judged
from pumasi.report import svg
from pumasi.report.template import render


def at_hospital_page(judged: Judged, name: str) -> str:
    """The page as HTML, self-contained.

    Args:
        judged: how the model does there.
        name: of the hospital.
    """
    compared = [("network", judged.network)]
    if judged.own is not None:
        compared.append(("own", judged.own))
    rows: list[svg.Compared] = [
        (label, ((area.estimate, area.lower, area.upper),)) for label, area in compared
    ]
    points = [(group.risk, group.observed, group.lower, group.upper) for group in judged.curve]
    return render(
        "at_hospital.html",
        judged=judged,
        name=name,
        forest=svg.forest(rows, (0.4, 1.0), "AUROC of both models with 95 % intervals", "AUROC"),
        curve=svg.calibration(points, "Share with the outcome by predicted risk, 95 % intervals"),
    )
