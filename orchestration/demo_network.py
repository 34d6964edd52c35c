"""The demo's network: stewards of made-up hospitals sign, and the hub learns over Flower.

Nothing here is for a real hospital: its steward signs with a key that nobody else has, and no
process may read more than one hospital's release.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from orchestration.flower.one_machine import down, enrol_here, up
from orchestration.flower.places import HubPlaces
from orchestration.hub.models import how_it_ended, learned, write_page
from orchestration.site.network_models import key_of, metadata_of
from pumasi.answer.holding import holdings
from pumasi.answer.network_model import receive
from pumasi.answer.task_rows import task_rows
from pumasi.config import SiteConfig, SitePaths, home_folder, load_hub
from pumasi.disclosure.approval import Approval, approvals, make_steward_key, sign
from pumasi.errors import ConfigError
from pumasi.federation.cells import Limits
from pumasi.federation.network import InProcess, Run
from pumasi.federation.query import Kind
from pumasi.federation.rows import Rows
from pumasi.learn.network_model import NetworkModel, NetworkTask, learn, load_network_model
from pumasi.learn.tasks import NETWORK_TASKS
from pumasi.release import open_release

Say = Callable[[str], None]
# Of made-up stewards of made-up hospitals.
PASSPHRASE = "made up"  # noqa: S105
APPROVED = timedelta(days=365)


def learn_all(sites: Sequence[SiteConfig], learn_job: Callable[[], bool], say: Say) -> bool:
    """Let the stewards sign, start the network, learn, and end the network; False if a run failed.

    Raises:
        ConfigError: a hospital is real, or the network has no hub.
        FederationError: the network did not start.
    """
    if real := [site.id for site in sites if site.real]:
        raise ConfigError(f"{', '.join(real)}: a real hospital has no part in the demo's network")
    config = load_hub()
    if config is None:
        raise ConfigError("this network has no hub: write hub.toml in the network folder")
    names = tuple(site.id for site in sites)
    for site in names:
        approve(SitePaths.of(site), names)
    places = HubPlaces.of_home()
    enrol_here(places, config, names)
    up(places, config, names, say)
    try:
        succeeded = learn_job()
    finally:
        down(places)
    if succeeded:
        for plan in NETWORK_TASKS:
            say(beside_the_pool(plan, sites))
        hand_over(sites, say)
    return succeeded


def hand_over(sites: Sequence[SiteConfig], say: Say) -> None:
    """Hand what was learned last to every hospital, and let each judge them; Dagster is told."""
    with dg.DagsterInstance.get() as instance:
        for site in sites:
            paths, judged = SitePaths.of(site.id), 0
            for plan in NETWORK_TASKS:
                if (file := learned(plan, instance)) is None:
                    continue
                receive(paths, file)
                metadata = metadata_of(site, paths, plan)
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(key_of(site, plan), metadata=metadata)
                )
                judged += "page" in metadata
            say(f"{site.id}: {judged} models of the network judged, see {paths.network_models}")


def approve(paths: SitePaths, contributors: Sequence[str]) -> None:
    """Let the made-up steward of a made-up hospital sign what the demo asks, unless it is."""
    key = home_folder() / "stewards" / f"{paths.root.name}.pem"
    if not paths.steward_key.exists():
        make_steward_key(key, PASSPHRASE, paths)
    for plan in NETWORK_TASKS:
        if plan.task.name not in approvals(paths):
            approval = Approval(
                id=plan.task.name,
                site=paths.root.name,
                subject=plan.task.name,
                kinds=(Kind.DESCRIPTIVE, Kind.LEARNING),
                expires=(datetime.now(UTC) + APPROVED).date(),
                contributors=tuple(sorted(contributors)),
                minimum_outcome=plan.minimum_outcome,
            )
            sign(approval, key, PASSPHRASE, paths)


def beside_the_pool(plan: NetworkTask, sites: Sequence[SiteConfig]) -> str:
    """Learn the task of all rows together, write the page anew with both, and say what came out."""
    with dg.DagsterInstance.get() as instance:
        file, ended = learned(plan, instance), how_it_ended(plan, instance)
    if file is None:
        return ended
    model, pooled = load_network_model(file), _of_the_pool(plan, sites)
    page = write_page(model, file.parent, pooled)
    area, error = model.auroc, max(model.auroc_error, pooled.auroc_error)
    return (
        f"{plan.task.name}: AUROC {area.estimate:.3f} ({area.lower:.3f} to {area.upper:.3f}) over "
        f"the network, {pooled.auroc.estimate:.3f} of the pool, by bins within {error:.4f} of the "
        f"exact areas; {model.exchanges} exchanges; page {page}"
    )


def _of_the_pool(plan: NetworkTask, sites: Sequence[SiteConfig]) -> NetworkModel:
    limits = Limits(outcome=plan.minimum_outcome, contributors=1)
    rows = Rows.together([_rows(plan, site) for site in sites])
    answer = holdings({"pool": rows}, limits)["pool"].answer
    run = Run(InProcess({"pool": answer}), plan.task.name, masked=False, limits=limits)
    return learn(run, plan)


def _rows(plan: NetworkTask, site: SiteConfig) -> Rows:
    release = open_release(site.id, plan.task.purpose, datetime.now(UTC))
    with duckdb.connect() as connection:
        return task_rows(plan.task, release.read(plan.task.table, connection))
