"""Synthetic hospitals whose truth is known. No pipeline code imports this package."""

from pumasi.simulate.run import Done, Estimate, cuts, estimates, simulate, world_of
from pumasi.simulate.trial import simulate_trial
from pumasi.simulate.truth import is_of, read_truth
from pumasi.simulate.world import World

__all__ = [
    "Done",
    "Estimate",
    "World",
    "cuts",
    "estimates",
    "is_of",
    "read_truth",
    "simulate",
    "simulate_trial",
    "world_of",
]
