"""Models that the network learns: one asset each, which asks the hospitals over Flower.

It submits, waits, and says how each exchange went; what it made, the page beside the hospitals' own
models and the record of the exchanges lie below the hub's folder.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from orchestration.flower.places import HubPlaces
from orchestration.flower.transport import FlowerTransport
from pumasi.atomic import write_text
from pumasi.config import hub_folder, load_network
from pumasi.errors import EstimationError, RefusalError, SuppressedError
from pumasi.federation.network import Run, Transport
from pumasi.federation.transcript import Recorded
from pumasi.learn.network_model import NetworkModel, NetworkTask, learn
from pumasi.learn.tasks import NETWORK_TASKS
from pumasi.report.network_model import network_model_page

OWNERS = ["team:network-hub"]
LEARN = "hub_learn"
Say = Callable[[str], None]


class Told:
    """A transport that says of each exchange how long it took."""

    def __init__(self, transport: Transport, say: Say) -> None:
        self.transport = transport
        self.say = say
        self.exchanges = 0

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who is reached, sorted."""
        return self.transport.hospitals

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        """As `Transport.carry`."""
        began = time.monotonic()
        replies = self.transport.carry(message)
        self.exchanges += 1
        seconds = time.monotonic() - began
        self.say(f"exchange {self.exchanges}: {len(replies)} hospitals in {seconds:.1f} s")
        return replies


def learn_over(transport: Transport, plan: NetworkTask, hub: Path, say: Say) -> NetworkModel:
    """Learn a task over the hospitals that are reached, and write model, page and record.

    Raises:
        EstimationError, SuppressedError, FederationError: there is no model; the message says why.
    """
    run = uuid4().hex
    recorded = Recorded(Told(transport, say), hub / "transcripts" / run)
    model = learn(Run(recorded, plan.task.name, limits=plan.limits, run=run), plan)
    folder = hub / "models" / plan.task.name
    model.save(folder)
    write_page(model, folder)
    return model


def write_page(model: NetworkModel, folder: Path, pooled: NetworkModel | None = None) -> Path:
    """Write the page of a model beside it and return its path."""
    names = {site.id: site.name for site in load_network(resolve=False).values()}
    page = folder / f"{model.run}.html"
    write_text(page, network_model_page(model, names, pooled))
    return page


def assets() -> list[dg.AssetsDefinition]:
    """One asset per task of the network, keyed [hub, models, task]."""
    return [_model(plan) for plan in NETWORK_TASKS]


def key_of(plan: NetworkTask) -> dg.AssetKey:
    """The key of a task's asset."""
    return dg.AssetKey(["hub", "models", plan.task.name])


def how_it_ended(plan: NetworkTask, instance: dg.DagsterInstance) -> str:
    """Say what the last run that learned the task came to, from the metadata of its asset."""
    said = _said(plan, instance)
    if not said:
        return f"{plan.task.name}: never learned"
    if "state" in said:
        return f"{plan.task.name}: {said['state']}"
    return (
        f"{plan.task.name}: AUROC {said['AUROC']:.3f} ({said['AUROC lower']:.3f} to "
        f"{said['AUROC upper']:.3f}), {said['persons']:,} persons of {said['hospitals']}; own "
        f"model better at: {said['own model better at']}; page {hub_folder() / str(said['page'])}"
    )


def learned(plan: NetworkTask, instance: dg.DagsterInstance) -> Path | None:
    """File of the model that the last run of the task made; None if it made none.

    An earlier run's may lie in the hub's folder all the same.
    """
    page = _said(plan, instance).get("page")
    return (hub_folder() / str(page)).with_suffix(".json") if page else None


def _said(plan: NetworkTask, instance: dg.DagsterInstance) -> dict[str, Any]:
    """Metadata of the task's asset as the last run left them; nothing if there was no run."""
    event = instance.get_latest_materialization_event(key_of(plan))
    made = event.asset_materialization if event else None
    return {name: value.value for name, value in made.metadata.items()} if made else {}


def _model(plan: NetworkTask) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(plan),
        group_name="network_models",
        owners=OWNERS,
        kinds={"flower"},
        description=f"Model `{plan.task.name}` of the network: sums over hospitals, no row.",
    )
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        try:
            with FlowerTransport(HubPlaces.of_home()) as transport:
                found = learn_over(transport, plan, hub_folder(), context.log.info)
        except (EstimationError, RefusalError, SuppressedError) as error:
            # A correct end: the hospitals answered, and what they have is not enough.
            context.log.warning(f"not learned: {error}")
            return dg.MaterializeResult(metadata={"state": f"not learned: {error}"})
        better = [each.hospital for each in found.hospitals if each.own_is_better]
        return dg.MaterializeResult(
            metadata={
                "own model better at": ", ".join(better) or "none that may tell",
                "AUROC": found.auroc.estimate,
                "AUROC lower": found.auroc.lower,
                "AUROC upper": found.auroc.upper,
                "persons": found.persons,
                "exchanges": found.exchanges,
                "hospitals": ", ".join(sorted(found.releases)),
                "page": f"models/{plan.task.name}/{found.run}.html",
            }
        )

    return model
