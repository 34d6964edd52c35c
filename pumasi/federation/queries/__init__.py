"""Every type of query that is registered: one family a file, its parts and its arithmetic."""

from pumasi.federation.queries.bins import Histogram
from pumasi.federation.queries.bounded import BoundedLogisticStep, BoundedRisks
from pumasi.federation.queries.cox import CoxMeat, CoxStep, Ties
from pumasi.federation.queries.cox_grid import CoxGridMeat, CoxGridStep
from pumasi.federation.queries.firth import FirthStep
from pumasi.federation.queries.follow_up import FollowUp, Grid
from pumasi.federation.queries.glm import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.moments import Moments
from pumasi.federation.queries.own import OwnPerformance
from pumasi.federation.queries.profile import ProfileLikelihood
from pumasi.federation.queries.risk import (
    CalibrationBins,
    CalibrationStep,
    Placements,
    RiskHistogram,
)
from pumasi.federation.queries.survival import (
    EventGrid,
    EventGridByGroup,
    SurvivalTable,
    SurvivalTableByGroup,
)
from pumasi.federation.queries.table_one import GroupMoments, Levels

__all__ = [
    "BoundedLogisticStep",
    "BoundedRisks",
    "CalibrationBins",
    "CalibrationStep",
    "CoxGridMeat",
    "CoxGridStep",
    "CoxMeat",
    "CoxStep",
    "EventGrid",
    "EventGridByGroup",
    "Family",
    "FirthStep",
    "Fit",
    "FollowUp",
    "GlmMeat",
    "GlmStep",
    "Grid",
    "GroupMoments",
    "Histogram",
    "Levels",
    "Moments",
    "OwnPerformance",
    "Placements",
    "ProfileLikelihood",
    "RiskHistogram",
    "SurvivalTable",
    "SurvivalTableByGroup",
    "Ties",
]
