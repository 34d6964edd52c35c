"""The audit log as a page for the data steward: what left, what was refused, what was accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from pumasi.audit import Verified

Entry = Mapping[str, Any]
# What stands in columns of its own.
_COLUMNS = {"number", "previous", "time", "event", "subject", "run", "exchange", "request"}


def audit_page(name: str, entries: Sequence[Entry], verified: Verified) -> str:
    """The page as HTML, newest lines first.

    Args:
        name: of the hospital.
        entries: the lines of its log, oldest first.
        verified: what following the chain showed.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pumasi.report", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    events = Counter(str(entry["event"]) for entry in entries)
    return environment.get_template("audit_log.html").render(
        name=name,
        entries=list(reversed(entries)),
        verified=verified,
        events=sorted(events.items()),
        unsent=_unsent(entries),
        about=_about,
    )


def _unsent(entries: Sequence[Entry]) -> list[Entry]:
    """Answers that were about to leave and of which no line says that they did."""
    sent = {_exchange(entry) for entry in entries if entry["event"] in ("sent", "repeated")}
    return [e for e in entries if e["event"] == "intended" and _exchange(e) not in sent]


def _exchange(entry: Entry) -> tuple[Any, Any]:
    return entry.get("run"), entry.get("exchange")


def _about(entry: Entry) -> str:
    """What else the line says."""
    said = []
    for name, value in entry.items():
        if name not in _COLUMNS and value not in ("", []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            said.append(f"{name}: {text}")
    return "; ".join(said)
