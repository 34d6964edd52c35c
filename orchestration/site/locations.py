"""One Dagster code location per hospital: `workspace.yaml` names this module and the hospital's id.

Dagster asks the module for an attribute called like the hospital; the definitions are made then.
"""

import dagster as dg

from orchestration.site.definitions import build_definitions
from pumasi.config import get_site, load_network


def __getattr__(name: str) -> dg.Definitions:
    if name.startswith("_") or name not in load_network(resolve=False):
        raise AttributeError(name)
    return build_definitions(get_site(name))
