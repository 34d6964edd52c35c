"""Every type of query that is registered: one family a file, its parts and its arithmetic."""

from pumasi.federation.queries.cox import CoxMeat, CoxStep, Ties
from pumasi.federation.queries.cox_grid import CoxGridMeat, CoxGridStep
from pumasi.federation.queries.follow_up import FollowUp, Grid
from pumasi.federation.queries.glm import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.moments import ColumnScreen, Moments
from pumasi.federation.queries.survival import (
    EventGrid,
    EventGridByGroup,
    SurvivalTable,
    SurvivalTableByGroup,
)

__all__ = [
    "ColumnScreen",
    "CoxGridMeat",
    "CoxGridStep",
    "CoxMeat",
    "CoxStep",
    "EventGrid",
    "EventGridByGroup",
    "Family",
    "Fit",
    "FollowUp",
    "GlmMeat",
    "GlmStep",
    "Grid",
    "Moments",
    "SurvivalTable",
    "SurvivalTableByGroup",
    "Ties",
]
