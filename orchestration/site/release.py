"""The release: the candidate and its outcomes, sealed open or closed, and the check that blocks."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.site.builds import closed_when_broken, provenance
from orchestration.site.extract import pool
from orchestration.site.quality import load_checked
from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths, load_waivers
from pumasi.errors import PumasiError
from pumasi.learn.tasks import TASKS
from pumasi.quality import Verdict
from pumasi.release import Release, ask_gate, seal
from pumasi.report.scorecard import release_scorecard, scorecard_file

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
        scorecard = _write_scorecard(config, paths, sealed, now, context)
        said = _card(sealed, verdict) | {"scorecard": scorecard}
        return dg.MaterializeResult(
            metadata=said | _card_of_tasks(verdict, tasks),
            check_results=[_gate(sealed, verdict)],
        )

    return [release]


def _write_scorecard(
    config: SiteConfig,
    paths: SitePaths,
    sealed: Release,
    now: datetime,
    context: dg.AssetExecutionContext,
) -> str:
    """Write the page beside the release and return where; it changes nothing of what was sealed.

    A page that can't be written says so and ends no build: `pumasi release scorecard` writes it.
    """
    file = scorecard_file(sealed)
    try:
        file.parent.mkdir(exist_ok=True)
        page = release_scorecard(config, paths, sealed, load_waivers(config.id), now)
        write_text(file, page)
    except (PumasiError, OSError) as error:
        context.log.warning(f"the scorecard can't be written: {type(error).__name__}")
        return "not written; the log says why, `pumasi release scorecard` writes it"
    return str(file.relative_to(paths.root))


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
