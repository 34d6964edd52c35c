"""The audit log as a page for the data steward: what left, what was refused, what was accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pumasi.audit import Verified
from pumasi.report.template import render

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
    events = Counter(str(entry["event"]) for entry in entries)
    return render(
        "audit_log.html",
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
