"""Every type of query that is registered: one family a file, its parts and its arithmetic."""

from pumasi.federation.queries.firth import FirthStep
from pumasi.federation.queries.glm import Family, Fit, GlmMeat, GlmStep
from pumasi.federation.queries.moments import ColumnScreen, Moments
from pumasi.federation.queries.table_one import GroupMoments, Levels

__all__ = [
    "ColumnScreen",
    "Family",
    "FirthStep",
    "Fit",
    "GlmMeat",
    "GlmStep",
    "GroupMoments",
    "Levels",
    "Moments",
]
