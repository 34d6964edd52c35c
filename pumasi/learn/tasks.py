"""The tasks of the network: what every hospital trains alike, each behind its own gate."""

from pumasi.learn.asthma_exacerbation import ASTHMA_EXACERBATION
from pumasi.learn.fabry_screening import FABRY_SCREENING
from pumasi.learn.gi_bleed_risk import GI_BLEED_RISK

TASKS = (GI_BLEED_RISK, ASTHMA_EXACERBATION, FABRY_SCREENING)
