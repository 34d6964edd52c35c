"""The release: the candidate and its outcomes, sealed open or closed, and the check that blocks."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.site.builds import closed_when_broken, provenance
from orchestration.site.extract import pool
from orchestration.site.quality import load_checked
from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import PumasiError
from pumasi.release import Release, seal
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
                GATE, asset=key, blocking=True, description="No check of severity error failed."
            )
        ],
        kinds={"parquet"},
        pool=pool(config),
    )
    def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """One immutable build that others may read, with its provenance and its outcomes."""
        with closed_when_broken(paths, "release", context.run.run_id):
            checked = load_checked(paths)
            sealed = seal(
                paths,
                checked.outcomes,
                provenance(checked.run_id),
                sealed_at=datetime.now(UTC),
                transformation=checked.transformation,
            )
        reasons = sealed.reasons_closed()
        said = _card(sealed) | {"scorecard": _write_scorecard(config, paths, sealed, context)}
        return dg.MaterializeResult(metadata=said, check_results=[_gate(sealed, reasons)])

    return [release]


def _write_scorecard(
    config: SiteConfig, paths: SitePaths, sealed: Release, context: dg.AssetExecutionContext
) -> str:
    """Write the page beside the release and return where; it changes nothing of what was sealed.

    A page that can't be written says so and ends no build: `pumasi release scorecard` writes it.
    """
    file = scorecard_file(sealed)
    try:
        file.parent.mkdir(exist_ok=True)
        write_text(file, release_scorecard(config, paths, sealed))
    except (PumasiError, OSError) as error:
        context.log.warning(f"the scorecard can't be written: {type(error).__name__}")
        return "not written; the log says why, `pumasi release scorecard` writes it"
    return str(file.relative_to(paths.root))


def _card(sealed: Release) -> dict[str, str | int]:
    return {
        "release": sealed.id,
        "seal": sealed.seal.number,
        "gate": "closed" if sealed.reasons_closed() else "open",
        "tables": len(sealed.tables),
        "checks": len(sealed.outcomes),
        "dagster/row_count": sum(entry.rows for entry in sealed.manifest.tables.values()),
    }


def _gate(sealed: Release, reasons: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=GATE,
        passed=not reasons,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(reasons) or "every check of severity error passed",
        metadata={"release": sealed.id, "reasons": len(reasons)},
    )
