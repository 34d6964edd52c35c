"""Models of the network at a hospital: judged on its own test persons, beside its own model.

The hub hands the model over as a file (`pumasi network receive`); numbers and page stay here.
"""

from collections.abc import Mapping

import dagster as dg

from pumasi.answer.network_model import judge_here, received
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import ClosedForPurposeError, QueryError, TaskError
from pumasi.learn.network_model import NetworkTask
from pumasi.learn.tasks import NETWORK_TASKS

# Dagster's own name for it.
ROWS = "dagster/row_count"


def assets(config: SiteConfig, paths: SitePaths) -> list[dg.AssetsDefinition]:
    """One asset per task of the network, keyed [site, network_models, task]."""
    return [_judged(config, paths, plan) for plan in NETWORK_TASKS]


def key_of(config: SiteConfig, plan: NetworkTask) -> dg.AssetKey:
    """The asset's key."""
    return dg.AssetKey([config.id, "network_models", plan.task.name])


def metadata_of(
    config: SiteConfig, paths: SitePaths, plan: NetworkTask
) -> Mapping[str, str | float]:
    """Judge the model that was handed over last, and say how it does."""
    model = received(paths, plan)
    if model is None:
        return {"state": "the hub handed no model over", ROWS: 0}
    try:
        judged, page = judge_here(config, paths, plan, model)
    except (ClosedForPurposeError, QueryError, TaskError) as error:
        return {"state": f"not judged: {error}", ROWS: 0}
    own = "there is none" if judged.own is None else f"AUROC {judged.own.estimate:.3f}"
    return {
        "state": "the own model is better" if judged.own_is_better else "judged",
        "AUROC": judged.network.estimate,
        "AUROC 95 % interval": f"{judged.network.lower:.3f} to {judged.network.upper:.3f}",
        "own model": own,
        "release": judged.release,
        ROWS: judged.rows,
        "page": str(page.relative_to(paths.root)),
    }


def _judged(config: SiteConfig, paths: SitePaths, plan: NetworkTask) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(config, plan),
        group_name="network_models",
        # Of models that were trained from the same release: both are judged on the same rows.
        deps=[[config.id, "release"], [config.id, "models", plan.task.name]],
        description=f"The network's model `{plan.task.name}` on this hospital's own test persons.",
    )
    def network_model() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=metadata_of(config, paths, plan))

    return network_model
