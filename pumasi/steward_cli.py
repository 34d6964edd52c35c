"""The data steward's part of the command line: approvals, and the log of what left the house."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Column, Table

from pumasi import audit
from pumasi.atomic import write_text
from pumasi.audit import Head
from pumasi.config import SitePaths, get_site
from pumasi.disclosure import approval as approving
from pumasi.disclosure.approval import Approval
from pumasi.errors import ApprovalError, AuditError
from pumasi.tables import print_table

Site = Annotated[
    str | None, typer.Option("--site", help="Hospital; default PUMASI_SITE, else the only one.")
]


def _passphrase(*, twice: bool) -> typer.models.OptionInfo:
    """The option; a new passphrase is asked for twice, since nobody can look one up."""
    option: typer.models.OptionInfo = typer.Option(
        "--passphrase",
        envvar="PUMASI_STEWARD_PASSPHRASE",
        prompt=True,
        confirmation_prompt=twice,
        hide_input=True,
        help="Of the steward's key; asked for if it is not in the variable.",
    )
    return option


steward_app = typer.Typer(help="The key of a hospital's data steward.", no_args_is_help=True)
approval_app = typer.Typer(help="What may be asked of a hospital.", no_args_is_help=True)
audit_app = typer.Typer(help="The log of what left a hospital.", no_args_is_help=True)

_DRAFT = """\
# What {site} lets the network ask. Edit it, then `pumasi approval sign` it with the steward's key.
id = "{subject}"
subject = "{subject}"
kinds = ["descriptive", "learning"] # and "effect", with `protocol`: SHA-256 of the locked protocol
contributors = {contributors} # all hospitals whose sum is made; no smaller set is answered
expires = {expires} # the last day
release = "latest" # the latest open one, or the id of one
review_boards = [] # numbers of the decisions of ethics or review boards
minimum_persons = 10 # fewest persons of a cell; 10 or more
minimum_outcome = 10 # of persons with or without the outcome, in sums; 3 or more{asked}
retention_days = 365 # how long the hub may keep answers
# With a budget, the hospital's over all tasks and studies, everything is answered with noise only:
# privacy = {{ epsilon = 3.0, delta = 1e-6 }}
"""


@steward_app.command("key")
def steward_key(
    out: Annotated[Path, typer.Option(help="File of the key, which the steward takes away.")],
    passphrase: Annotated[str, _passphrase(twice=True)],
    site: Site = None,
) -> None:
    """Make the steward's key: encrypted, for the steward alone; the hospital keeps the public part.

    Who has the key and its passphrase decides what leaves the hospital.
    """
    config = get_site(site)
    approving.make_steward_key(out, passphrase, SitePaths.of(config.id))
    typer.echo(f"wrote {out}: keep it where whoever runs the hospital's programs can't read it")


@approval_app.command("draft")
def approval_draft(
    subject: Annotated[str, typer.Argument(help="Task or study.")],
    contributor: Annotated[list[str], typer.Option(help="A hospital of the sum; repeatable.")],
    expires: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day.")],
    site: Site = None,
) -> None:
    """Print an approval to be edited and signed."""
    from pumasi.learn.tasks import NETWORK_TASKS

    config = get_site(site)
    contributors = json.dumps(sorted({*contributor, config.id}))
    asked = {plan.task.name: plan.minimum_outcome for plan in NETWORK_TASKS}.get(subject)
    text = _DRAFT.format(
        site=config.id,
        subject=subject,
        contributors=contributors,
        expires=expires.date(),
        asked=f"; the network asks for {asked}" if asked else "",
    )
    typer.echo(text, nl=False)


@approval_app.command("sign")
def approval_sign(
    draft: Annotated[Path, typer.Argument(help="The edited draft, TOML.")],
    key: Annotated[Path, typer.Option(help="The steward's key.")],
    passphrase: Annotated[str, _passphrase(twice=False)],
    site: Site = None,
) -> None:
    """Sign an approval: from now on the hospital answers under it."""
    config = get_site(site)
    approval = _read_draft(draft, config.id)
    if approval.expires < datetime.now(UTC).date():
        raise ApprovalError(
            f"{draft}: it ended on {approval.expires}, so nothing would be answered under it: "
            "correct `expires`, the last day"
        )
    place = approving.sign(approval, key, passphrase, SitePaths.of(config.id))
    kinds = ", ".join(approval.kinds)
    typer.echo(
        f"{config.id} answers {kinds} queries on {approval.subject} with "
        f"{', '.join(approval.contributors)} until {approval.expires}; wrote {place.name}"
    )


def _read_draft(draft: Path, site: str) -> Approval:
    try:
        text = draft.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ApprovalError(
            f"{draft}: can't be read ({error}); it is a text file in UTF-8"
        ) from None
    try:
        return Approval.model_validate({**tomllib.loads(text), "site": site})
    except tomllib.TOMLDecodeError as error:
        raise ApprovalError(f"{draft}: can't be read as TOML ({error})") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ApprovalError(f"{draft}: {said}") from None


@approval_app.command("list")
def approval_list(site: Site = None) -> None:
    """List a hospital's approvals and whether they count today."""
    config = get_site(site)
    paths, today = SitePaths.of(config.id), datetime.now(UTC).date()
    table = Table("approval", "subject", "kinds", "until", Column("state", overflow="fold"))
    for name in approving.approvals(paths):
        said = approving.load(paths.approvals / f"{name}.json", paths)
        cells = (said.subject, ", ".join(said.kinds), str(said.expires)) if said else ("", "", "")
        table.add_row(name, *cells, approving.state(name, paths, today))
    print_table(table)


@approval_app.command("revoke")
def approval_revoke(
    approval_id: Annotated[str, typer.Argument(metavar="ID")], site: Site = None
) -> None:
    """End an approval now: the next exchange of a running job is refused."""
    config = get_site(site)
    approving.revoke(approval_id, SitePaths.of(config.id))
    typer.echo(f"{approval_id} is revoked at {config.id}")


@audit_app.command("verify")
def audit_verify(
    anchor: Annotated[
        Path | None,
        typer.Option(help="File with a head a line, as the hub or the steward kept them."),
    ] = None,
    site: Site = None,
) -> None:
    """Say whether the log is what was written: nothing edited, dropped, moved or cut off."""
    config = get_site(site)
    log = SitePaths.of(config.id).audit_log
    found = audit.verify(log, _anchors(anchor))
    head = found.head or "empty"
    typer.echo(f"{config.id}: {found.lines} lines, each follows from the one before; head {head}")
    if found.anchors:
        typer.echo(f"{found.anchors} anchors hold: nothing up to the last of them is missing")
    else:
        typer.echo(
            "without --anchor nobody can tell whether the end was cut off or all of it written anew"
        )


def _anchors(file: Path | None) -> list[Head]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(
            f"{file} can't be read ({type(error).__name__}): it is a text file in UTF-8, with a "
            "head a line as `pumasi audit head` prints it"
        ) from None
    return [Head.parse(line) for line in lines if line.strip()]


@audit_app.command("head")
def audit_head(site: Site = None) -> None:
    """Print the head of the log: kept elsewhere, it is an anchor."""
    config = get_site(site)
    if head := audit.verify(SitePaths.of(config.id).audit_log).head:
        typer.echo(head)


@audit_app.command("show")
def audit_show(
    site: Site = None,
    last: Annotated[int, typer.Option(min=1, help="How many lines.")] = 40,
    out: Annotated[
        Path | None, typer.Option(help="Write all lines as a page (HTML) here instead.")
    ] = None,
) -> None:
    """Print the last lines of the log, or write all of it as a page."""
    if out is None:
        _print_entries(audit.entries(_log(site))[-last:])
        return
    from pumasi.report.audit_log import audit_page

    log = _log(site)
    write_text(out, audit_page(get_site(site).name, audit.entries(log), audit.verify(log)))
    typer.echo(f"wrote {out}: for the hospital only")


@audit_app.command("looks")
def audit_looks(
    study: Annotated[str, typer.Option(help="Task or study.")], site: Site = None
) -> None:
    """List every earlier answer on the outcomes that were asked about for a task or study.

    An outcome that was looked at before, for whatever study, is not looked at for the first time.
    """
    sent = [each for each in audit.entries(_log(site)) if each["event"] == "intended"]
    outcomes = {name for each in sent if each["subject"] == study for name in each["outcomes"]}
    _print_entries([each for each in sent if outcomes & set(each["outcomes"])])


def _log(site: str | None) -> Path:
    return SitePaths.of(get_site(site).id).audit_log


def _print_entries(entries: list[dict[str, object]]) -> None:
    table = Table("line", "time", "event", "subject", "exchange", Column("about", overflow="fold"))
    for each in entries:
        about = each.get("refusal") or each.get("check") or each.get("queries", "")
        text = ", ".join(map(str, about)) if isinstance(about, list) else str(about)
        table.add_row(
            str(each["number"]),
            str(each["time"])[:19],
            str(each["event"]),
            str(each.get("subject", "")),
            f"{str(each.get('run', ''))[:8]} {each.get('exchange', '')}".strip(),
            text,
        )
    print_table(table)
