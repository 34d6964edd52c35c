"""Deliveries and raw tables: one dynamic partition for each delivery that lies at the source."""

import dagster as dg
import duckdb

from orchestration.site.builds import closed_when_broken
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import (
    DeliveryFolder,
    ReadReport,
    clear,
    discover,
    fetch,
    pull,
    read,
    read_as,
    read_vocabulary,
)
from pumasi.extract.manifest import SourceFile, load_manifest

GROUP = "extract"


def partitions(config: SiteConfig) -> dg.DynamicPartitionsDefinition:
    """Deliveries of the site, by folder name and fingerprint."""
    return dg.DynamicPartitionsDefinition(name=f"{config.id}_deliveries")


def pool(config: SiteConfig) -> str:
    """Pool with one place: whoever is in it may write the site's warehouse."""
    return f"{config.id}_warehouse"


def assets(
    config: SiteConfig, paths: SitePaths, deliveries: dg.DynamicPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Assets `delivery`, `raw` and `vocabulary`, and with a connector `landing`."""
    connected = config.source.connector != "folder"
    landed = [dg.AssetDep([config.id, "landing"])] if connected else []

    @dg.asset(
        key=[config.id, "delivery"],
        group_name=GROUP,
        partitions_def=deliveries,
        deps=landed,
        kinds={"file"},
        pool=pool(config),
    )
    def delivery(context: dg.AssetExecutionContext) -> dg.Output[str]:
        """One arrival of extract files, identified by their content and checked for its format."""
        known = read_as(paths, context.partition_key)
        if known is not None:  # its files are gone since
            manifest = load_manifest(paths.deliveries / f"{known}.json")
        else:
            folder = _folder(config, paths, context.partition_key)
            manifest = pull(config, folder, paths, context.log.info)
        metadata: dict[str, dg.MetadataValue | str | int] = {
            "delivery": manifest.delivery_id,
            "as of": str(manifest.as_of),
            "extracted through": str(manifest.extracted_through),
            "kind": manifest.kind,
            "format": f"{manifest.format} {manifest.format_version}",
            "files used": len(manifest.files),
            "files not used": manifest.unused_files,
            "bytes": sum(each.bytes for each in manifest.files),
            "findings": dg.MetadataValue.md(
                "\n".join(f"- {f}" for f in manifest.findings) or "none"
            ),
        }
        rows = [_rows(each) for each in manifest.files]
        if None not in rows:
            metadata["dagster/row_count"] = sum(row or 0 for row in rows)
        return dg.Output(manifest.delivery_id, metadata=metadata)

    @dg.asset(
        key=[config.id, "raw"],
        group_name=GROUP,
        partitions_def=deliveries,
        ins={"delivery": dg.AssetIn(key=[config.id, "delivery"])},
        kinds={"parquet", "duckdb"},
        pool=pool(config),
    )
    def raw(context: dg.AssetExecutionContext, delivery: str) -> dg.MaterializeResult:
        """Typed, pseudonymised parquet of one delivery; what could not be read is quarantined."""
        manifest = load_manifest(paths.deliveries / f"{delivery}.json")
        if read_as(paths, context.partition_key) is not None:
            report = ReadReport(delivery, already=True)
        else:
            folder = _folder(config, paths, context.partition_key)
            report = read(config, manifest, folder, paths, context.log.info)
            clear(paths, folder, delivery)
        return dg.MaterializeResult(metadata=_counts(report, paths))

    @dg.asset(key=[config.id, "vocabulary"], group_name=GROUP, kinds={"parquet"}, pool=pool(config))
    def vocabulary(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """OMOP vocabulary tables, from the delivery or from the configured folder."""
        with closed_when_broken(paths, "vocabulary", context.run.run_id):
            rows = read_vocabulary(config, discover(config, paths), paths)
        return dg.MaterializeResult(metadata={**rows, "dagster/row_count": rows["concept"]})

    return [delivery, raw, vocabulary, *([_landing(config, paths)] if connected else [])]


class Ask(dg.Config):
    """How to ask a source: `full` for everything, so that what was deleted there goes."""

    full: bool = False


def _landing(site: SiteConfig, paths: SitePaths) -> dg.AssetsDefinition:
    @dg.asset(
        key=[site.id, "landing"],
        group_name=GROUP,
        kinds={site.source.connector},
        pool=f"{site.id}_landing",
    )
    def landing(context: dg.AssetExecutionContext, config: Ask) -> dg.MaterializeResult:
        """What a database or server has that was not fetched yet, as a delivery that waits."""
        landed = fetch(site, paths, full=config.full, progress=context.log.info)
        if landed is None:
            return dg.MaterializeResult(metadata={"state": "nothing new at the source"})
        return dg.MaterializeResult(
            metadata={
                "as of": landed.name,
                "kind": landed.kind,
                "dagster/row_count": sum(landed.rows.values()),
                "notes": dg.MetadataValue.md("\n".join(f"- {n}" for n in landed.notes) or "none"),
            }
        )

    return landing


def _folder(config: SiteConfig, paths: SitePaths, key: str) -> DeliveryFolder:
    for folder in discover(config, paths):
        if folder.key == key:
            return folder
    raise DeliveryError(
        f"site {config.id}: delivery {key} is not at the source as it was when it was found; "
        "the sensor will find it anew, or run `pumasi pull`"
    )


def _rows(file: SourceFile) -> int | None:
    """Records in a file, as far as pulling knows: it doesn't look into parquet and DuckDB files."""
    if file.resource_types:
        return sum(n for kind, n in file.resource_types.items() if kind != "Bundle")
    if file.container == "csv":
        return max(file.lines - 1, 0)
    return file.lines if file.container in ("ndjson", "bundle") else None


def _counts(report: ReadReport, paths: SitePaths) -> dict[str, dg.MetadataValue | int | str]:
    if report.already:
        counts = paths.raw / report.delivery_id / "read_counts.parquet"
        with duckdb.connect() as connection:
            rows = connection.execute(
                "select coalesce(sum(rows_read), 0)::bigint from read_parquet($1)", [str(counts)]
            ).fetchall()[0][0]
        return {
            "delivery": report.delivery_id,
            "state": "read before, left alone",
            "dagster/row_count": rows,
        }
    lines = [
        "| table | in | read | quarantined | ignored | values nulled |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | {c.rows_in:,} | {c.rows_read:,} | {c.rows_quarantined:,} | "
        f"{c.rows_ignored:,} | {c.values_nulled:,} |"
        for name, c in report.tables.items()
    ]
    return {
        "delivery": report.delivery_id,
        "dagster/row_count": sum(c.rows_read for c in report.tables.values()),
        "rows quarantined": sum(c.rows_quarantined for c in report.tables.values()),
        "tables": dg.MetadataValue.md("\n".join(lines)),
    }
