"""The command `pumasi`: thin, every command calls the library and prints what it says.

What runs in Dagster is started as a program of its own (`python -m orchestration …`): the library
doesn't know the orchestrator. A `PumasiError` becomes a message on standard error and rc 1.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from pumasi import extract
from pumasi.atomic import write_text
from pumasi.config import (
    FORMATS,
    SiteConfig,
    SitePaths,
    get_site,
    home_folder,
    hub_folder,
    load_network,
    load_waivers,
    network_folder,
    shown,
)
from pumasi.config.environment import program_environment
from pumasi.config.workspace import workspace_file, write_dagster_home, write_workspace
from pumasi.config.writing import NewSite, new_site_file
from pumasi.errors import ConfigError, PumasiError, ReleaseError, WithdrawalError
from pumasi.quality import Outcome, Purpose, Status, waiver_state
from pumasi.release import Release, ask_gate, latest_release, verify_release
from pumasi.release.prune import prune
from pumasi.release.release import load_release
from pumasi.release.seal import seal_files
from pumasi.report.standing import reasons_unopened
from pumasi.steward_cli import approval_app, audit_app, steward_app
from pumasi.tables import print_table
from pumasi.warehouse import hold_warehouse
from pumasi.withdrawal import Withdrawal, withdraw

if TYPE_CHECKING:
    from pumasi.quality.catalogue import Cdm, CheckResult
    from pumasi.simulate import Estimate

# Fewer persons than this are not printed.
SMALLEST_CELL = 10
# After so many days records of runs are forgotten, if nobody says otherwise.
FORGOTTEN_AFTER_DAYS = 365

app = typer.Typer(
    help="Real-world evidence across hospitals whose rows never cross the border.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
site_app = typer.Typer(help="The hospitals of the network folder.", no_args_is_help=True)
person_app = typer.Typer(help="The persons of a hospital.", no_args_is_help=True)
vocabulary_app = typer.Typer(help="The OMOP vocabularies of hospitals.", no_args_is_help=True)
release_app = typer.Typer(help="The sealed releases of a hospital.", no_args_is_help=True)
waiver_app = typer.Typer(help="What a hospital accepts for a time.", no_args_is_help=True)
network_app = typer.Typer(
    help="Hospitals that are asked together, over Flower.", no_args_is_help=True
)
quality_app = typer.Typer(help="Checks of any OMOP database.", no_args_is_help=True)
simulate_app = typer.Typer(
    help="Hospitals that don't exist, whose truth is known.", no_args_is_help=True
)
app.add_typer(site_app, name="site")
app.add_typer(network_app, name="network")
app.add_typer(person_app, name="person")
app.add_typer(quality_app, name="quality")
app.add_typer(release_app, name="release")
app.add_typer(simulate_app, name="simulate")
app.add_typer(vocabulary_app, name="vocabulary")
app.add_typer(waiver_app, name="waiver")
app.add_typer(steward_app, name="steward")
app.add_typer(approval_app, name="approval")
app.add_typer(audit_app, name="audit")

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
            site.id, site.name, site.format, str(site.source.as_of or ""), shown(site.source.url)
        )
    print_table(table)


@site_app.command("check")
def site_check(site_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Check a hospital's configuration and say what a build of it will do."""
    site = get_site(site_id)
    deliveries = extract.discover(site)
    source, vocabulary = site.source, site.vocabulary
    typer.echo(f"{site.id} ({site.name}): {site.format} from {shown(source.url)}")
    where = "there" if source.connector == "folder" else "landed and not yet read"
    typer.echo(f"deliveries {where}: {len(deliveries)}, {source.kind} unless they say otherwise")
    typer.echo(f"as of {source.as_of or 'what the delivery says'}, ", nl=False)
    typer.echo(f"extracted through {source.extracted_through or 'what the delivery says'}")
    whence = (vocabulary.url and shown(vocabulary.url)) or f"the {vocabulary.source}"
    typer.echo(f"vocabulary from {whence}")
    for threshold in site.thresholds:
        typer.echo(f"accepts {threshold.check} up to {threshold.limit:.0%}: {threshold.reason}")
    for waiver in load_waivers(site.id).waivers:
        said = f"up to {waiver.limit:.0%} until {waiver.until}: {waiver.reason}"
        typer.echo(f"waives {waiver.check} {said}")
    if site.alerts is not None:
        holder = site.alerts.webhook_env or site.alerts.webhook_file
        typer.echo(f"a closed gate is told to the webhook whose address stands in {holder}")
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


@site_app.command("answer")
def site_answer(
    site: Site = None,
    socket: Annotated[
        Path | None,
        typer.Option(help="Unix socket for the relay's user; default in PUMASI_HOME."),
    ] = None,
) -> None:
    """Answer what the hub asks, by the hospital's own rules, until it is ended (SIGTERM)."""
    from pumasi.answer.enrolment import read_peers
    from pumasi.answer.hospital import Hospital
    from pumasi.answer.serve import Ending, require_private, serve
    from pumasi.federation.masks import MaskKey
    from pumasi.learn.tasks import ASKED

    config = get_site(site)
    paths = SitePaths.of(config.id)
    if socket is not None:
        require_private(home_folder())
    keys = read_peers(paths).public_keys
    hospital = Hospital(paths, MaskKey.load(paths.mask_key), keys, ASKED)
    ending = Ending()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ending.ask)
    serve(hospital, socket or paths.socket, ending, typer.echo)


@network_app.command("enrol")
def network_enrol(
    site: Annotated[
        str | None,
        typer.Option(
            "--site", help="The part of this hospital, on its own machine; default PUMASI_SITE."
        ),
    ] = None,
    card: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The hub's part: add this hospital; can be repeated."),
    ] = None,
    peers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A hospital's part: keep the hub's list.")
    ] = None,
    hub_key: Annotated[
        str | None, typer.Option(metavar="HEX", help="With --peers, the first time: the hub's key.")
    ] = None,
) -> None:
    """Enrol hospitals: each makes its own keys, the hub signs the list of the public ones.

    With --site or PUMASI_SITE it is the part of that hospital, with --card the hub's. With neither
    all is done for the hospitals of the network folder, on this machine.
    """
    # Where a variable names a hospital for other commands, a card is the hub's all the same.
    hospital = site or (None if card else os.environ.get("PUMASI_SITE"))
    _require_one_part(hospital, card, peers, hub_key)
    if not hospital:
        _run("orchestration.flower", ["enrol", *(f"--card={each}" for each in card or ())], {})
    from pumasi.answer.enrolment import accept_peers, make_card

    paths = SitePaths.of(get_site(hospital).id)
    if peers is None:
        make_card(paths)
        typer.echo(f"for the hub, public parts only: {paths.card}")
        typer.echo(f"for the relay's user, and nobody else: {paths.relay}")
        return
    try:
        key = bytes.fromhex(hub_key) if hub_key else None
        kept = accept_peers(paths, peers.read_text(), key)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--peers or --hub-key: {error}") from None
    typer.echo(f"edition {kept.edition}: {', '.join(each.name for each in kept.hospitals)}")
    typer.echo(f"its fingerprint, to compare with the other hospitals: {kept.fingerprint}")


def _require_one_part(
    hospital: str | None, card: list[Path] | None, peers: Path | None, hub_key: str | None
) -> None:
    """Raise ConfigError for options that are not all of the hub, or all of one hospital."""
    if card and (hospital or peers or hub_key):
        raise ConfigError(
            "--card is the hub's part, --site, --peers and --hub-key are a hospital's: give the "
            "options of one of them"
        )
    if (peers or hub_key) and not hospital:
        raise ConfigError(
            "--peers and --hub-key are a hospital's part, and no hospital is named: give --site, "
            "or set PUMASI_SITE"
        )
    if hub_key and not peers:
        raise ConfigError(
            "--hub-key is the key of whoever signed the list, and no list is given: name its file "
            "with --peers"
        )


@network_app.command("register")
def network_register(
    control: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the SuperLink takes orders.")
    ] = "127.0.0.1:9093",
) -> None:
    """Let a SuperLink that runs by itself take the nodes of the hub's list."""
    _run("orchestration.flower", ["register", f"--control={control}"], {})


@network_app.command("up")
def network_up() -> None:
    """Start the hub, and every hospital's node and process, on this machine."""
    _run("orchestration.flower", ["up"], {})


@network_app.command("status")
def network_status() -> None:
    """Say what of the network on this machine is up; rc 1 if something is not."""
    _run("orchestration.flower", ["status"], {})


@network_app.command("down")
def network_down() -> None:
    """End what `pumasi network up` started, and wait until it has ended."""
    _run("orchestration.flower", ["down"], {})


@network_app.command("learn")
def network_learn() -> None:
    """At the hub: learn the network's models in Dagster, over hospitals that are up."""
    _orchestrate(["learn"])


@network_app.command("receive")
def network_receive(
    file: Annotated[Path, typer.Argument(metavar="MODEL.json", help="As the hub handed it over.")],
    site: Site = None,
) -> None:
    """At a hospital: take a model of the network in, and judge it on the own test persons."""
    from pumasi.answer.network_model import judge_here, receive

    config = get_site(site)
    paths = SitePaths.of(config.id)
    plan, model = receive(paths, file)
    judged, page = judge_here(config, paths, plan, model)
    own = f"{judged.own.estimate:.3f}" if judged.own else "not there"
    typer.echo(
        f"{judged.task}: AUROC {judged.network.estimate:.3f} ({judged.network.lower:.3f} to "
        f"{judged.network.upper:.3f}) here; own model {own}"
    )
    typer.echo(f"page, for this hospital alone: {page}")


@network_app.command("forget")
def network_forget(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Only this run.")] = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=0, help="Only runs that ended so many days ago; default 365, and 0 for RUN."
        ),
    ] = None,
) -> None:
    """Remove records of runs from the hub, as approvals limit how long it may keep answers."""
    from pumasi.federation.transcript import forget

    if days is None:
        days = FORGOTTEN_AFTER_DAYS if run is None else 0
    before = datetime.now(UTC) - timedelta(days=days)
    gone = forget(hub_folder() / "transcripts", before, run)
    if run is not None and not gone:
        typer.echo(f"the records of run {run} stay: it ended less than {days} days ago (--days)")
        return
    typer.echo(f"removed the records of {len(gone)} runs{''.join(f', {name}' for name in gone)}")


@app.command("pull")
def pull(
    site: Site = None,
    full: Annotated[
        bool, typer.Option("--full", help="Ask a database or server for everything.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come, take nothing in.")
    ] = False,
) -> None:
    """Pull and read a hospital's deliveries, without building anything from them."""
    config = get_site(site)
    paths = SitePaths.of(config.id)
    if full and config.source.connector == "folder":
        raise ConfigError(
            f"site {config.id}: --full is for a database or a server; in a folder, each delivery "
            "says what kind it is"
        )
    if dry_run:
        _print_preview(config, paths, full)
        return
    if config.source.connector != "folder":
        _fetch(config, paths, full)
    deliveries = extract.discover(config, paths)
    refused = 0
    for delivery in deliveries:
        try:
            manifest = extract.pull(config, delivery, paths)
            _print_report(manifest, extract.read(config, manifest, delivery, paths))
            extract.clear(paths, delivery, manifest.delivery_id)
        except PumasiError as error:
            # The others are read all the same; the return code tells of this one.
            refused += 1
            typer.echo(f"Error: {error}", err=True)
            if config.source.connector != "folder":
                typer.echo(f"To fetch it anew, remove {delivery.url} first", err=True)
    if deliveries and refused == len(deliveries):
        raise typer.Exit(1)
    concepts = extract.read_vocabulary(config, deliveries, paths)["concept"]
    typer.echo(f"vocabulary: {concepts:,} concepts")
    if refused:
        typer.echo(f"{refused} of {len(deliveries)} deliveries were refused", err=True)
        raise typer.Exit(1)


def _fetch(config: SiteConfig, paths: SitePaths, full: bool) -> None:
    def say(message: str) -> None:
        typer.echo(f"  {message}", err=True)

    landed = extract.fetch(config, paths, full=full, progress=say)
    if landed is None:
        typer.echo("nothing new at the source")
    else:
        typer.echo(f"fetched {landed.name}: {landed.kind}, {sum(landed.rows.values()):,} rows")


def _print_preview(config: SiteConfig, paths: SitePaths, full: bool) -> None:
    for delivery in extract.discover(config, paths):
        kind = delivery.kind or config.source.kind
        as_of = delivery.as_of or config.source.as_of
        typer.echo(f"there: {delivery.name}, {kind}, as of {as_of}")
    if config.source.connector == "folder":
        return
    kind, rows = extract.preview(config, paths, full=full)
    if not rows:
        typer.echo("nothing new at the source")
        return
    typer.echo(f"would be fetched ({kind}):")
    table = Table("table", "rows")
    for name, count in rows.items():
        table.add_row(name, "not said" if count is None else f"{count:,}")
    print_table(table)


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
    print_table(table)


@person_app.command("withdraw")
def person_withdraw(
    file: Annotated[
        Path | None,
        typer.Option(help="File with one identifier a line; default standard input."),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="End a withdrawal that did not end; takes no input.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go, change nothing.")
    ] = False,
    site: Site = None,
) -> None:
    """Withdraw persons, by the hospital's own identifiers: nothing but a tombstone stays of them.

    Identifiers are never arguments, which would stay in the history of the shell.
    """
    config = get_site(site)
    lines = [] if finish else _lines(file)
    if not lines and not finish:
        raise WithdrawalError("no identifier was given: one a line, by --file or standard input")
    done = withdraw(
        config,
        lines,
        SitePaths.of(config.id),
        datetime.now(UTC),
        dry_run=dry_run,
        progress=lambda message: typer.echo(message, err=True),
    )
    _print_withdrawal(done, dry_run=dry_run)


def _lines(file: Path | None) -> list[str]:
    try:
        text = sys.stdin.read() if file is None else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WithdrawalError(
            f"the identifiers can't be read ({type(error).__name__}): is it a text file in UTF-8?"
        ) from None
    return [line for line in text.splitlines() if line.strip()]


def _print_withdrawal(done: Withdrawal, *, dry_run: bool) -> None:
    verb = "would go" if dry_run else "went"
    typer.echo(f"persons asked for: {done.persons}, {done.new_persons} of them for the first time")
    typer.echo(f"raw rows that {verb}: {done.rows:,}; quarantine entries: {done.quarantined:,}")
    losing = "would lose" if dry_run else "lost"
    typer.echo(f"releases that {losing} their tables: {', '.join(done.releases) or 'none'}")
    for path in done.models:
        typer.echo(f"model made from one of them: {path}")
    if dry_run:
        typer.echo("nothing was changed")
    else:
        typer.echo("the warehouse was deleted; `pumasi build` makes it and a release without them")


@release_app.command("prune")
def release_prune(
    keep: Annotated[int, typer.Option(metavar="N", help="How many of the latest stay.")],
    force: Annotated[
        bool, typer.Option("--force", help="Delete also releases that a model was made from.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, change nothing.")
    ] = False,
    site: Site = None,
) -> None:
    """Delete old releases; the latest stays, and so do those that models were made from."""
    done = prune(SitePaths.of(get_site(site).id), keep, force=force, dry_run=dry_run)
    for release_id in done.named:
        typer.echo(f"kept {release_id}: a model was made from it")
    for release_id in done.gone:
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {release_id}")
    typer.echo(f"{done.bytes_freed:,} bytes {'would be ' if dry_run else ''}freed")


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
    print_table(table)
    table = Table("cohort", "by concept sets", "persons")
    for cohort in difference.cohorts:
        table.add_row(cohort.name, ", ".join(cohort.sets), _cell(cohort.persons))
    print_table(table)


def _cell(persons: int | None) -> str:
    """A number of persons as it may be printed; a small one is not."""
    if persons is None:
        return ""
    return f"{persons:,}" if persons >= SMALLEST_CELL else f"< {SMALLEST_CELL}"


@release_app.command("list")
def release_list(site: Site = None) -> None:
    """List every sealed build of a hospital, the latest last; only the latest can be opened."""
    paths = SitePaths.of(get_site(site).id)
    table = Table("seal", "release", "sealed at", "as sealed", "tables")
    for number, file in sorted(seal_files(paths).items()):
        try:
            release = load_release(paths, file)
        except ReleaseError:
            table.add_row(str(number), file.parent.parent.name, "", "damaged", "")
            continue
        gate = "closed" if release.reasons_closed() else "open"
        gate = "purged" if release.is_purged else gate
        sealed_at = f"{release.seal.sealed_at:%Y-%m-%d %H:%M %Z}"
        table.add_row(str(number), release.id, sealed_at, gate, str(len(release.tables)))
    print_table(table)


@release_app.command("verify")
def release_verify(release_id: ReleaseId = None, site: Site = None) -> None:
    """Verify seals, manifest and every file of a release."""
    release = _verified(release_id, site)
    if release.is_purged:
        typer.echo(f"release {release.id}: its tables were purged; the seals are what was sealed")
        return
    typer.echo(f"release {release.id}: {len(release.tables)} tables are what was sealed")


@release_app.command("show")
def release_show(release_id: ReleaseId = None, site: Site = None) -> None:
    """Show whether a release is open, in general and for each task, why not, and what is in it.

    It is verified first. Waivers count as on this day; a release that nobody can open, such as an
    older one, is shown closed, and as it was sealed.
    """
    config = get_site(site)
    release = _verified(release_id, config.id)
    typer.echo(f"release {release.id}, seal {release.seal.number}, {release.seal.sealed_at}")
    if unopened := reasons_unopened(SitePaths.of(config.id), release):
        _print_unopened(release, unopened)
    else:
        _print_gates(config.id, release, datetime.now(UTC))
    for status, count in sorted(Counter(o.status for o in release.outcomes).items()):
        typer.echo(f"checks {status.value.replace('_', ' ')}: {count}")
    table = Table("table", "rows")
    for name in release.tables:
        table.add_row(name, f"{release.manifest.tables[name].rows:,}")
    print_table(table)


def _print_unopened(release: Release, reasons: Iterable[str]) -> None:
    # No waiver of today is asked about: it may name a check that an older release has not.
    typer.echo("gate: closed")
    _print_lines(reasons)
    sealed = release.reasons_closed()
    typer.echo(f"sealed {'closed' if sealed else 'open'}")
    _print_lines(sealed)


def _print_gates(site_id: str, release: Release, at: datetime) -> None:
    """Print a line for the gate in general and one for each task, with the reasons of each."""
    general = ask_gate(site_id, release, None, at)
    verdicts = {each.name: ask_gate(site_id, release, each, at) for each in _purposes()}
    typer.echo(f"gate: {general.state}")
    _print_lines(general.reasons)
    for name, verdict in verdicts.items():
        typer.echo(f"gate of {name}: {verdict.state}")
        _print_lines(each for each in verdict.reasons if each not in general.reasons)
    for line in dict.fromkeys(f"waived: {u}" for v in verdicts.values() for u in v.waived):
        typer.echo(line)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(f"  {line}")


def _purposes() -> list[Purpose]:
    # Here, because it imports scikit-learn.
    from pumasi.learn.tasks import TASKS

    return [task.purpose for task in TASKS]


@waiver_app.command("list")
def waiver_list(
    site: Site = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day asked about; default the hospital's today."),
    ] = None,
) -> None:
    """List a hospital's waivers, and what becomes of the latest release by each on a day.

    In force: without it the gate would be closed, in general or for a task. Not enough: what it
    names closes the gate all the same. Not needed: that closes nothing. Expired: its last day is
    over. Unknown: the latest build broke, or there is none.
    """
    config = get_site(site)
    waivers = load_waivers(config.id)
    day = waivers.day(datetime.now(UTC)) if at is None else at.date()
    release = latest_release(SitePaths.of(config.id))
    purposes: list[Purpose | None] = [None, *_purposes()]
    verdicts = []
    if release is not None and release.seal.broken_step is None:
        verdicts = [release.ask(each, waivers.waivers, day) for each in purposes]
    table = Table(Column("check", overflow="fold"), "limit", "until", "responsible", "state")
    for each in waivers.waivers:
        limit, state = f"{each.limit:.2%}", waiver_state(each, verdicts, day)
        table.add_row(each.check, limit, str(each.until), each.responsible, state)
    print_table(table)
    typer.echo(f"on {day} ({waivers.timezone}), by the latest release: ", nl=False)
    typer.echo("none has been sealed" if release is None else release.id)


@release_app.command("scorecard")
def release_scorecard(
    release_id: ReleaseId = None,
    site: Site = None,
    out: Annotated[Path | None, typer.Option(help="HTML file; default beside the release.")] = None,
) -> None:
    """Write one page, for the hospital only: is the release good enough, for what, why not."""
    from pumasi.report import scorecard

    release = _verified(release_id, site)
    config = get_site(site)
    paths, waivers = SitePaths.of(config.id), load_waivers(config.id)
    page = scorecard.release_scorecard(config, paths, release, waivers, datetime.now(UTC))
    file = out or scorecard.scorecard_file(release)
    _write_page(file, page)


def _write_page(file: Path, page: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, page)
    typer.echo(f"wrote {file}: for the hospital only")


def _verified(release_id: str | None, site: str | None) -> Release:
    config = get_site(site)
    paths = SitePaths.of(config.id)
    if release_id is None:
        latest = latest_release(paths)
        if latest is None:
            raise ReleaseError(f"site {config.id} has no release yet: pumasi build makes one")
        release_id = latest.id
    return verify_release(paths, release_id)


@quality_app.command("run")
def quality_run(
    database: Annotated[Path, typer.Option(help="DuckDB file with tables of OMOP CDM 5.4.")],
    schema: Annotated[str, typer.Option(help="Schema of the tables.")],
    vocabulary_schema: Annotated[
        str | None, typer.Option(help="Schema of the vocabulary; default --schema.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; default in PUMASI_HOME.")
    ] = None,
    keys: Annotated[
        bool,
        typer.Option("--keys", help="Also write keys of up to 20 offending rows of each failure."),
    ] = False,
    scorecard: Annotated[
        Path | None, typer.Option(help="Also write a page of the results: an HTML file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many checks of which type, run none.")
    ] = False,
) -> None:
    """Run every check of OHDSI's DataQualityDashboard, and ours beside, on a database.

    It may be of anybody's making, and is opened read-only. Written are outcomes.parquet and, with
    OHDSI's checks only, results.json, which OHDSI's viewer reads; with --keys also keys.csv, which
    identifies rows and stays in the hospital.
    """
    from pumasi.quality import catalogue

    began = datetime.now(UTC)
    checks = (*catalogue.concrete_checks(), *catalogue.own_checks())
    with catalogue.open_database(database) as connection:
        cdm = catalogue.Cdm.find(connection, schema, vocabulary_schema, began.date())
        if dry_run:
            _print_plan(cdm)
            return
        with _progress("tables and families") as bar:
            task = bar.add_task("checking", total=len(catalogue.steps(checks)))
            results = catalogue.run_catalogue(cdm, checks, lambda: bar.advance(task))
        out = out or home_folder() / "quality" / f"{database.stem}.{schema}"
        out.mkdir(parents=True, exist_ok=True)
        catalogue.write_outcomes(results, out / "outcomes.parquet")
        layout = catalogue.dqd_results(cdm, results, began, datetime.now(UTC))
        write_text(out / "results.json", catalogue.dqd_json(layout))
        if keys:
            catalogue.write_keys(catalogue.offender_keys(cdm, results), out / "keys.csv")
        if scorecard is not None:
            _write_catalogue_page(scorecard, cdm, f"{database.stem}, schema {schema}", results)
    _print_quality(results)
    typer.echo(f"written to {out}")


@quality_app.command("docs")
def quality_docs(site: Site = None) -> None:
    """Write Great Expectations' Data Docs on a hospital's last candidate.

    The pages hold counts only. They fetch their style from the internet: without it they are plain.
    """
    _run("expectations", [get_site(site).id], {})


def _write_catalogue_page(file: Path, cdm: Cdm, name: str, results: Sequence[CheckResult]) -> None:
    from pumasi.quality.characterisation import characterise
    from pumasi.report.scorecard import catalogue_scorecard

    _write_page(file, catalogue_scorecard(cdm, name, results, characterise(cdm)))


@quality_app.command("history")
def quality_history(
    site: Site = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write every outcome: a .parquet or .csv file.")
    ] = None,
) -> None:
    """Show the outcomes of all builds of a hospital, and which checks move before they fail."""
    from pumasi.release.history import history, write_history

    past = history(SitePaths.of(get_site(site).id))
    table = Table(
        "seal", "release", "sealed at", *(each.value.replace("_", " ") for each in Status)
    )
    for each in past.seals:
        counts = Counter(outcome.status for outcome in each.outcomes)
        sealed_at = f"{each.sealed_at:%Y-%m-%d %H:%M %Z}"
        numbers = (f"{counts[status]:,}" for status in Status)
        table.add_row(str(each.number), each.release_id, sealed_at, *numbers)
    print_table(table)
    for number in past.damaged:
        typer.echo(f"seal {number} is damaged and left out: pumasi release verify says how")
    for trend in past.trends:
        way = "rises" if trend.rises else "falls"
        typer.echo(
            f"{trend.check} {way} to {trend.shares[-1]:.2%}; expected {trend.lower:.2%} to "
            f"{trend.upper:.2%}, allowed {trend.threshold:.2%}"
        )
    if not past.trends:
        typer.echo(
            "no check that passes has moved; it takes three builds before the last to say so"
        )
    if out is not None:
        write_history(past.table(), out)
        typer.echo(f"wrote {out}")


def _print_plan(cdm: Cdm) -> None:
    from pumasi.quality import catalogue

    checks = (*catalogue.concrete_checks(), *catalogue.own_checks())
    every = Counter(check.type.name for check in checks)
    possible = Counter(check.type.name for check in catalogue.applicable(cdm, checks))
    table = Table("level", "type", "category", "checks", "of what is there")
    for name, each in (catalogue.check_types() | catalogue.own_types()).items():
        counts = (every[name], possible[name])
        table.add_row(each.level, name, each.category, *(f"{count:,}" for count in counts))
    print_table(table)
    typer.echo(f"{possible.total():,} of {every.total():,} checks would be run. Nothing was.")


def _print_quality(results: Sequence[CheckResult]) -> None:
    """Print Kahn's matrix, then what failed or broke, worst share first."""
    statuses = ("passed", "failed", "not_applicable", "error")
    cells = Counter(
        (r.check.type.category, r.check.type.context, r.outcome.status.value) for r in results
    )
    table = Table("category", "context", *(status.replace("_", " ") for status in statuses))
    for category, context in sorted({cell[:2] for cell in cells}):
        row = (cells[category, context, status] for status in statuses)
        table.add_row(category, context, *(f"{count:,}" for count in row))
    print_table(table)
    bad = [r.outcome for r in results if r.outcome.status.value in ("failed", "error")]
    name = Column("check", overflow="fold")
    table = Table(name, "severity", "violations", "of", "share", "allowed")
    for outcome in sorted(bad, key=lambda o: (-_share(o), o.name)):
        if outcome.violations is None or outcome.denominator is None:
            table.add_row(outcome.name, outcome.severity.value, outcome.message)
            continue
        counts = (f"{outcome.violations:,}", f"{outcome.denominator:,}")
        shares = (f"{_share(outcome):.2%}", f"{outcome.threshold:.0%}")
        table.add_row(outcome.name, outcome.severity.value, *counts, *shares)
    if bad:
        print_table(table)


def _share(outcome: Outcome) -> float:
    """The share that violates; what could not be counted comes first."""
    if outcome.violations is None:
        return float("inf")
    return outcome.violations / (outcome.denominator or 1)


Preset = Annotated[str, typer.Option(help="demo | enriched_dev | realistic")]
Scale = Annotated[float, typer.Option(help="Factor of the preset's persons.")]
Recording = Annotated[str, typer.Option(help="perfect | non_differential | differential")]
Access = Annotated[str, typer.Option(help="korea | liberal_access")]
Identifiable = Annotated[
    bool, typer.Option("--identifiable", help="Every assumption of an estimator holds.")
]


@simulate_app.command("run")
def simulate_run(
    preset: Preset = "demo",
    scale: Scale = 1.0,
    seed: Annotated[
        int, typer.Option(help="Of all random numbers; same seed, same bytes.")
    ] = 20260701,
    recording: Recording = "non_differential",
    access: Access = "korea",
    identifiable: Identifiable = False,
    hospital: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; can be repeated.")
    ] = None,
    deliveries: Annotated[int, typer.Option(help="Monthly deliveries of each hospital.")] = 1,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Later deliveries hold only what is new.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the deliveries; default in PUMASI_HOME.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of the truth; default in PUMASI_HOME.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Chunks made at a time; default the cores.")
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing if this world is there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much it would be, write nothing.")
    ] = False,
) -> None:
    """Simulate the hospitals: their deliveries, each in its own format, and the truth apart."""
    from pumasi import simulate

    world = simulate.world_of(
        preset,
        scale,
        seed,
        recording=recording,
        access=access,
        identifiable=identifiable,
        hospitals=hospital or (),
    )
    if dry_run:
        _print_estimates(simulate.estimates(world), deliveries)
        return
    home = home_folder() / "simulation"
    out, truth = out or home / "deliveries", truth or home / "truth"
    if if_missing and simulate.is_of(world, truth):
        typer.echo(f"{out} has the deliveries of this world already")
        return
    with _progress("persons") as bar:
        task = bar.add_task("simulating", total=sum(map(world.persons, world.hospitals)))
        simulate.simulate(
            world,
            out,
            truth,
            processes or os.cpu_count() or 1,
            lambda done: bar.advance(task, done.chunk.persons),
            deliveries=deliveries,
            incremental=incremental,
        )
    typer.echo(f"deliveries: {out}")
    typer.echo(f"truth: {truth} (for the tests of methods; no hospital may read it)")


@simulate_app.command("trial")
def simulate_trial(
    strategies: Annotated[
        list[str], typer.Argument(help="Two or more of: none, and the biologics.")
    ],
    lives: Annotated[int, typer.Option(help="Entrants, each under every strategy.")] = 100_000,
    preset: Preset = "demo",
    seed: Annotated[int, typer.Option(help="Of all random numbers.")] = 20260701,
    access: Access = "liberal_access",
    identifiable: Identifiable = False,
    allowed: Annotated[
        bool, typer.Option("--allowed", help="All whom the rules allow enter, not only starters.")
    ] = False,
    replicates: Annotated[int, typer.Option(help="Lives of each entrant, each with new luck.")] = 1,
    sustained: Annotated[
        bool, typer.Option("--sustained", help="A drug once begun is kept.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file of the lives; default none is written.")
    ] = None,
) -> None:
    """Give the same persons every strategy, and say what each estimand truly is."""
    from pyarrow import parquet

    from pumasi import simulate
    from pumasi.simulate.estimands import ESTIMANDS, truth
    from pumasi.simulate.trial import Eligibility

    world = simulate.world_of(
        preset, 1.0, seed, recording="non_differential", access=access, identifiable=identifiable
    )
    with _progress("lives") as bar:
        task = bar.add_task("simulating", total=lives)
        trial = simulate.simulate_trial(
            world,
            strategies,
            Eligibility(at="allowed" if allowed else "start"),
            lives,
            replicates=replicates,
            sustained=sustained,
            progress=lambda done: bar.update(task, completed=done),
        )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(trial, out, compression="zstd")
        typer.echo(f"lives: {out}")
    table = Table("estimand", "strategies", "truth", "Monte Carlo error")
    control = strategies[-1]
    for treated in strategies[:-1]:
        for name in ESTIMANDS:
            found = truth(trial, name, treated, control)
            table.add_row(
                name, f"{treated} : {control}", f"{found.value:.4f}", f"{found.error:.4f}"
            )
    print_table(table)


@simulate_app.command("marts")
def simulate_marts(
    preset: Preset = "demo",
    scale: Scale = 1.0,
    seed: Annotated[int, typer.Option(help="Of the first network; the next has the next.")] = (
        20260701
    ),
    networks: Annotated[int, typer.Option(help="How many networks, each with its seed.")] = 1,
    recording: Recording = "non_differential",
    access: Access = "korea",
    identifiable: Identifiable = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the networks; default in PUMASI_HOME.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Networks made at a time; default the cores.")
    ] = None,
) -> None:
    """Simulate networks straight to their hospitals' marts: no files, no releases, no truth."""
    from pumasi import simulate
    from pumasi.simulate import direct

    world = simulate.world_of(
        preset, scale, seed, recording=recording, access=access, identifiable=identifiable
    )
    out = out or home_folder() / "simulation" / "marts"
    with _progress("networks") as bar:
        task = bar.add_task("simulating", total=networks)
        direct.simulate_marts(
            world, networks, out, processes or os.cpu_count() or 1, lambda done: bar.advance(task)
        )
    typer.echo(f"marts: {out}/<seed>/<hospital>/<mart>.parquet")


def _progress(unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _print_estimates(found: Sequence[Estimate], deliveries: int) -> None:
    table = Table("hospital", "persons", "rows, about", "bytes, about")
    for each in found:
        table.add_row(
            each.hospital, f"{each.persons:,}", f"{each.rows:,}", f"{each.bytes / 1e6:,.0f} MB"
        )
    print_table(table)
    typer.echo(f"a full delivery; {deliveries} would be made. Nothing was written.")


@app.command("build")
def build(site: Site = None) -> None:
    """Build a hospital in Dagster: from its deliveries to a release, open or closed."""
    _orchestrate(["build"], get_site(site).id)


@app.command("demo")
def demo(
    scale: Annotated[float, typer.Option(help="Factor of the hospitals' persons.")] = 1.0,
) -> None:
    """Simulate the four made-up hospitals, unless they are there; build each; learn over all."""
    from pumasi import simulate
    from pumasi.simulate.world import HOSPITALS

    home = home_folder()
    built = any(SitePaths.of(hospital).raw.exists() for hospital in HOSPITALS)
    if built and not simulate.is_of(simulate.World(scale=scale), home / "simulation" / "truth"):
        # A hospital would take the other persons in as its next delivery, beside the first ones.
        raise ConfigError(
            f"{home} has the demo's hospitals of another --scale or version of Pumasi: set "
            f"PUMASI_HOME to another folder, or delete {home / 'simulation'} and {home / 'sites'}"
        )
    simulate_run(scale=scale, if_missing=True)
    _orchestrate(["demo", *HOSPITALS])


def _orchestrate(arguments: Sequence[str], site_id: str | None = None) -> NoReturn:
    write_workspace()
    write_dagster_home()
    _run("orchestration", arguments, {"PUMASI_SITE": site_id} if site_id else {})


def _run(package: str, arguments: Sequence[str], variables: dict[str, str]) -> NoReturn:
    """Become the program of a package that the library doesn't know.

    In place of this one and not beside it: Ctrl-C would end the two at once, and this one gives a
    child a quarter of a second, in which a run can't be reported and a network not be ended.
    """
    program = [sys.executable, "-m", package, *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, program, program_environment() | variables)  # noqa: S606 - no shell
