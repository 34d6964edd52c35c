"""Every type of query that is registered: one family a file, its parts and its arithmetic."""

from pumasi.federation.queries.bins import Histogram
from pumasi.federation.queries.firth import FirthStep
from pumasi.federation.queries.glm import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.moments import ColumnScreen, Moments
from pumasi.federation.queries.own import OwnPerformance
from pumasi.federation.queries.profile import ProfileLikelihood
from pumasi.federation.queries.risk import (
    CalibrationBins,
    CalibrationStep,
    Placements,
    RiskHistogram,
)
from pumasi.federation.queries.table_one import GroupMoments, Levels

__all__ = [
    "CalibrationBins",
    "CalibrationStep",
    "ColumnScreen",
    "Family",
    "FirthStep",
    "Fit",
    "GlmMeat",
    "GlmStep",
    "GroupMoments",
    "Histogram",
    "Levels",
    "Moments",
    "OwnPerformance",
    "Placements",
    "ProfileLikelihood",
    "RiskHistogram",
]
