"""The command `pumasi`: thin, every command calls the library and prints what it says.

What runs in Dagster is started as a program of its own (`python -m orchestration …`): the library
doesn't know the orchestrator. A `PumasiError` becomes a message on standard error and rc 1.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pumasi import extract
from pumasi.atomic import write_text
from pumasi.config import (
    FORMATS,
    SiteConfig,
    SitePaths,
    get_site,
    load_network,
    network_folder,
)
from pumasi.config.environment import program_environment
from pumasi.config.workspace import workspace_file, write_dagster_home, write_workspace
from pumasi.config.writing import NewSite, new_site_file
from pumasi.errors import PumasiError, ReleaseError
from pumasi.release import Release, latest_release, verify_release
from pumasi.release.release import load_release
from pumasi.release.seal import seal_files
from pumasi.warehouse import hold_warehouse

# Fewer persons than this are not printed.
SMALLEST_CELL = 10

app = typer.Typer(
    help="Real-world evidence across hospitals whose rows never cross the border.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
site_app = typer.Typer(help="The hospitals of the network folder.", no_args_is_help=True)
vocabulary_app = typer.Typer(help="The OMOP vocabularies of hospitals.", no_args_is_help=True)
release_app = typer.Typer(help="The sealed releases of a hospital.", no_args_is_help=True)
app.add_typer(site_app, name="site")
app.add_typer(release_app, name="release")
app.add_typer(vocabulary_app, name="vocabulary")

Site = Annotated[
    str | None, typer.Option("--site", help="Hospital; default PUMASI_SITE, else the only one.")
]

ReleaseId = Annotated[str | None, typer.Argument(metavar="ID", help="Release; default the latest.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends in `SystemExit`, with rc 1 and a message for a `PumasiError`."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except PumasiError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from None


@site_app.command("add")
def site_add(
    site_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits, _.")],
    folder: Annotated[str, typer.Option(help="Folder or URL of the extract's files.")],
    source_format: Annotated[str, typer.Option("--format", help=" | ".join(FORMATS))],
    as_of: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Day the extract was made.")
    ],
    extracted_through: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day it covers wholly; default --as-of."),
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="Folder of OMOP vocabulary tables, such as Athena's.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name for people; default the id.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file, write none.")] = False,
) -> None:
    """Write a hospital's configuration, and workspace.yaml and profiles.yml with it."""
    site = NewSite(
        id=site_id,
        folder=folder,
        format=source_format,
        as_of=as_of.date(),
        extracted_through=extracted_through.date() if extracted_through else None,
        vocabulary=vocabulary,
        name=name,
    )
    path, text = new_site_file(site, network_folder())
    # A broken file of another site would leave this one written and the workspace without it.
    load_network(resolve=False)
    if dry_run:
        typer.echo(f"# would be written to {path}")
        typer.echo(text)
        return
    write_text(path, text)
    for written in [path, *write_workspace()]:
        typer.echo(f"wrote {written}")
    typer.echo(f"next: pumasi site check {site_id}")


@site_app.command("list")
def site_list() -> None:
    """List the hospitals of the network folder."""
    table = Table("id", "name", "format", "as of", "source")
    for site in load_network(resolve=False).values():
        table.add_row(
            site.id, site.name, site.format, str(site.source.as_of or ""), site.source.url
        )
    Console().print(table)


@site_app.command("check")
def site_check(site_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Check a hospital's configuration and say what a build of it will do."""
    site = get_site(site_id)
    deliveries = extract.discover(site)
    source, vocabulary = site.source, site.vocabulary
    typer.echo(f"{site.id} ({site.name}): {site.format} from {source.url}")
    typer.echo(f"deliveries there: {len(deliveries)}, {source.kind} unless they say otherwise")
    typer.echo(f"as of {source.as_of or 'what the delivery says'}, ", nl=False)
    typer.echo(f"extracted through {source.extracted_through or 'what the delivery says'}")
    typer.echo(f"vocabulary from {vocabulary.url or 'the ' + vocabulary.source}")
    for threshold in site.thresholds:
        typer.echo(f"accepts {threshold.check} up to {threshold.limit:.0%}: {threshold.reason}")
    typer.echo(f"everything is written to {SitePaths.of(site.id).root}")


@site_app.command("sync")
def site_sync(
    print_workspace: Annotated[
        bool, typer.Option("--print-workspace", help="Print only the path of workspace.yaml.")
    ] = False,
) -> None:
    """Bring workspace.yaml, profiles.yml and Dagster's home in step with the network folder."""
    written = [*write_workspace(), write_dagster_home()]
    if print_workspace:
        typer.echo(str(workspace_file()))
        return
    for path in written:
        typer.echo(f"wrote {path}")


@app.command("pull")
def pull(site: Site = None) -> None:
    """Pull and read a hospital's deliveries, without building anything from them."""
    config = get_site(site)
    paths = SitePaths.of(config.id)
    deliveries = extract.discover(config)
    refused = 0
    for delivery in deliveries:
        try:
            manifest = extract.pull(config, delivery, paths)
            _print_report(manifest, extract.read(config, manifest, delivery, paths))
        except PumasiError as error:
            # The others are read all the same; the return code tells of this one.
            refused += 1
            typer.echo(f"Error: {error}", err=True)
    if refused == len(deliveries):
        raise typer.Exit(1)
    concepts = extract.read_vocabulary(config, deliveries, paths)["concept"]
    typer.echo(f"vocabulary: {concepts:,} concepts")
    if refused:
        typer.echo(f"{refused} of {len(deliveries)} deliveries were refused", err=True)
        raise typer.Exit(1)


def _print_report(manifest: extract.Manifest, report: extract.ReadReport) -> None:
    typer.echo(
        f"delivery {manifest.delivery_id} ({manifest.folder}): {manifest.kind}, as of "
        f"{manifest.as_of}, extracted through {manifest.extracted_through}"
    )
    for finding in manifest.findings:
        typer.echo(f"  {finding}")
    if report.already:
        typer.echo("  read before, nothing to do")
        return
    table = Table("table", "rows in", "read", "quarantined", "values nulled")
    for name, count in report.tables.items():
        if count.rows_ignored:
            typer.echo(f"  {name}: {count.rows_ignored:,} rows of a kind that we do not use")
            continue
        numbers = (count.rows_in, count.rows_read, count.rows_quarantined, count.values_nulled)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    Console().print(table)


@vocabulary_app.command("diff")
def vocabulary_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="Folder of tables, or: project.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Folder of tables, or: project.")],
    site: Annotated[
        str | None, typer.Option("--site", help="Hospital whose persons are counted.")
    ] = None,
) -> None:
    """Show which concept sets and cohorts change from vocabulary A to B, and by how many persons.

    Persons are those whose records, as they are mapped now, have a concept that enters or leaves;
    fewer than 10 are not printed. How codes would be mapped with B, only a build with it shows.
    """
    if site is None:
        _print_difference(extract.vocabulary_diff(before, after))
        return
    paths = SitePaths.of(get_site(site).id)
    if not paths.warehouse.exists():
        raise ReleaseError(f"site {site} has no warehouse yet: pumasi build makes one")
    with hold_warehouse(paths) as warehouse:
        _print_difference(extract.vocabulary_diff(before, after, warehouse))


def _print_difference(difference: extract.Difference) -> None:
    if not difference.sets:
        typer.echo("no concept set changes")
        return
    table = Table("concept set", "concepts A", "B", "lost", "gained", "not in B", "persons A", "B")
    for each in difference.sets:
        counts = (each.concepts_before, each.concepts_after, len(each.lost), len(each.gained))
        persons = (_cell(each.persons_before), _cell(each.persons_after))
        table.add_row(each.name, *map(str, counts), str(len(each.missing)), *persons)
    Console().print(table)
    table = Table("cohort", "by concept sets", "persons")
    for cohort in difference.cohorts:
        table.add_row(cohort.name, ", ".join(cohort.sets), _cell(cohort.persons))
    Console().print(table)


def _cell(persons: int | None) -> str:
    """A number of persons as it may be printed; a small one is not."""
    if persons is None:
        return ""
    return f"{persons:,}" if persons >= SMALLEST_CELL else f"< {SMALLEST_CELL}"


@release_app.command("list")
def release_list(site: Site = None) -> None:
    """List every sealed build of a hospital, the latest last; only the latest can be opened."""
    paths = SitePaths.of(get_site(site).id)
    table = Table("seal", "release", "sealed at", "gate", "tables")
    for number, file in sorted(seal_files(paths).items()):
        try:
            release = load_release(paths, file)
        except ReleaseError:
            table.add_row(str(number), file.parent.parent.name, "", "damaged", "")
            continue
        gate = "closed" if release.reasons_closed() else "open"
        sealed_at = f"{release.seal.sealed_at:%Y-%m-%d %H:%M %Z}"
        table.add_row(str(number), release.id, sealed_at, gate, str(len(release.tables)))
    Console().print(table)


@release_app.command("verify")
def release_verify(release_id: ReleaseId = None, site: Site = None) -> None:
    """Verify seals, manifest and every file of a release."""
    release = _verified(release_id, site)
    typer.echo(f"release {release.id}: {len(release.tables)} tables are what was sealed")


@release_app.command("show")
def release_show(release_id: ReleaseId = None, site: Site = None) -> None:
    """Show whether a release is open, why not, its tables and its checks; verifies it first."""
    release = _verified(release_id, site)
    reasons = release.reasons_closed()
    typer.echo(f"release {release.id}, seal {release.seal.number}, {release.seal.sealed_at}")
    typer.echo(f"gate: {'closed' if reasons else 'open'}")
    for reason in reasons:
        typer.echo(f"  {reason}")
    for status, count in sorted(Counter(o.status for o in release.outcomes).items()):
        typer.echo(f"checks {status.value.replace('_', ' ')}: {count}")
    table = Table("table", "rows")
    for name in release.tables:
        table.add_row(name, f"{release.manifest.tables[name].rows:,}")
    Console().print(table)


def _verified(release_id: str | None, site: str | None) -> Release:
    config = get_site(site)
    paths = SitePaths.of(config.id)
    if release_id is None:
        latest = latest_release(paths)
        if latest is None:
            raise ReleaseError(f"site {config.id} has no release yet: pumasi build makes one")
        release_id = latest.id
    return verify_release(paths, release_id)


@app.command("build")
def build(site: Site = None) -> None:
    """Build a hospital in Dagster: from its deliveries to a release, open or closed."""
    _orchestrate("build", get_site(site))


@app.command("demo")
def demo() -> None:
    """Build the example hospital and train its model, and say where to look."""
    _orchestrate("demo", get_site("gibleed"))


def _orchestrate(command: str, site: SiteConfig) -> None:
    write_workspace()
    write_dagster_home()
    environment = {**program_environment(), "PUMASI_SITE": site.id}
    program = [sys.executable, "-m", "orchestration", command]
    done = subprocess.run(program, env=environment, check=False)  # noqa: S603 - no shell
    raise typer.Exit(done.returncode)
