"""Every type of query that is registered: one family a file, its parts and its arithmetic."""

from pumasi.federation.queries.cox import CoxMeat, CoxStep, Ties
from pumasi.federation.queries.follow_up import FollowUp, Grid
from pumasi.federation.queries.glm import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.moments import ColumnScreen, Moments

__all__ = [
    "ColumnScreen",
    "CoxMeat",
    "CoxStep",
    "Family",
    "Fit",
    "FollowUp",
    "GlmMeat",
    "GlmStep",
    "Grid",
    "Moments",
    "Ties",
]
