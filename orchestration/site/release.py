"""The release: the candidate and its outcomes, sealed open or closed, and the check that blocks."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.site.builds import closed_when_broken, provenance
from orchestration.site.extract import pool
from orchestration.site.quality import load_checked
from pumasi.config import SiteConfig, SitePaths
from pumasi.learn.tasks import TASKS
from pumasi.quality import Verdict
from pumasi.release import Release, ask_gate, seal

GATE = "gate_is_open"


def assets(config: SiteConfig, paths: SitePaths) -> list[dg.AssetsDefinition]:
    """Asset `release` with its blocking check."""
    key = dg.AssetKey([config.id, "release"])

    @dg.asset(
        key=key,
        group_name="release",
        deps=[dg.AssetKey([config.id, "candidate"])],
        check_specs=[
            dg.AssetCheckSpec(
                GATE,
                asset=key,
                blocking=True,
                description="No check of severity error failed, but for waivers.",
            )
        ],
        kinds={"parquet"},
        pool=pool(config),
    )
    def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """One immutable build that others may read, with its provenance and its outcomes."""
        with closed_when_broken(paths, "release", context.run.run_id):
            checked = load_checked(paths)
            now = datetime.now(UTC)
            sealed = seal(
                paths,
                checked.outcomes,
                provenance(checked.run_id),
                sealed_at=now,
                transformation=checked.transformation,
            )
        verdict = ask_gate(config.id, sealed, None, now)
        tasks = {task.name: ask_gate(config.id, sealed, task.purpose, now) for task in TASKS}
        return dg.MaterializeResult(
            metadata=_card(sealed, verdict) | _card_of_tasks(verdict, tasks),
            check_results=[_gate(sealed, verdict)],
        )

    return [release]


def _card(sealed: Release, verdict: Verdict) -> dict[str, str | int]:
    return {
        "release": sealed.id,
        "seal": sealed.seal.number,
        "gate": verdict.state,
        "waivers": "; ".join(map(str, verdict.waived)) or "none in use",
        "tables": len(sealed.tables),
        "checks": len(sealed.outcomes),
        "dagster/row_count": sum(entry.rows for entry in sealed.manifest.tables.values()),
    }


def _card_of_tasks(verdict: Verdict, tasks: dict[str, Verdict]) -> dict[str, str | int]:
    """Whether the gate is open for each task, and what closes it besides the general rule."""
    return {f"gate of {name}": _said(each, verdict) for name, each in tasks.items()}


def _said(of_task: Verdict, general: Verdict) -> str:
    own = [reason for reason in of_task.reasons if reason not in general.reasons]
    return "; ".join([of_task.state, *own])


def _gate(sealed: Release, verdict: Verdict) -> dg.AssetCheckResult:
    waived = [f"waived: {use}" for use in verdict.waived]
    return dg.AssetCheckResult(
        check_name=GATE,
        passed=verdict.is_open,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join([*verdict.reasons, *waived])
        or "every check of severity error passed",
        metadata={
            "release": sealed.id,
            "reasons": len(verdict.reasons),
            "waivers": len(verdict.waived),
        },
    )
