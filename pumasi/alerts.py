"""Alerts: a release that was sealed closed, for anybody or for a task, is told to a webhook.

A message leaves the hospital, so it holds names, states and times and no number of rows: the count
behind a failed check may be one person's. Seals are told in their order, one at a time, and the
next only after the webhook has taken the one before. So none is lost; one may come twice when the
webhook took it and its answer did not arrive, and carries the same `id` then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from pumasi.config import AlertsConfig, SiteConfig, SitePaths
from pumasi.errors import AlertError, PumasiError
from pumasi.extract.connectors.secret import secret
from pumasi.quality import Purpose, Verdict
from pumasi.release import Release, ask_gate
from pumasi.release.release import load_release
from pumasi.release.seal import seal_files

FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=1)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Message = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """Up to which seal everything was told, how often the next one failed, and when it is due."""

    told: int
    failures: int = 0
    due: datetime | None = None

    def to_text(self) -> str:
        """Return it as one line of JSON."""
        due = None if self.due is None else self.due.isoformat()
        return json.dumps({"told": self.told, "failures": self.failures, "due": due})

    @classmethod
    def from_text(cls, text: str) -> Progress:
        """Return what `to_text` wrote."""
        said = json.loads(text)
        due = said["due"] and datetime.fromisoformat(said["due"])
        return cls(said["told"], said["failures"], due or None)

    def failed(self, now: datetime) -> Progress:
        """The same after one more failure: due again after twice as long, an hour at most."""
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self.failures, 10))
        return replace(self, failures=self.failures + 1, due=now + delay)


@dataclass(frozen=True)
class Told:
    """What an attempt came to: where the next one begins, and what happened, in a sentence."""

    progress: Progress
    said: str
    attempted: bool = False
    failed: bool = False


def tell(
    config: SiteConfig,
    paths: SitePaths,
    purposes: Sequence[Purpose],
    progress: Progress | None,
    now: datetime,
) -> Told:
    """Send the next message that is due, if there is one; never more than one.

    `progress` is None the first time: then only the latest seal is told, not the whole past. A
    failure is in what is returned and not raised: it is the hospital's to see, and tried again.
    """
    files = seal_files(paths)
    progress = progress or Progress(max([0, *(number - 1 for number in files)]))
    if progress.due is not None and now < progress.due:
        return Told(progress, f"{_tries(progress)}; the next at {progress.due:%Y-%m-%d %H:%M %Z}")
    for number in sorted(number for number in files if number > progress.told):
        message = message_of(config, paths, files[number], purposes)
        if message is None:
            progress = Progress(number)
            continue
        try:
            _send(config, message)
        except PumasiError as error:
            progress = progress.failed(now)
            return Told(progress, f"seal {number}: {error}; {_tries(progress)}", True, True)
        return Told(Progress(number), f"seal {number}: told the webhook that it is closed", True)
    return Told(progress, f"every seal up to {progress.told} is open or was told")


def message_of(
    config: SiteConfig, paths: SitePaths, seal_file: Path, purposes: Sequence[Purpose]
) -> Message | None:
    """What is told of a seal, None if its release was open for everything on that day.

    A seal that can't be read, or waivers that are wrong, are told as such: nobody can open it.
    """
    message: Message = {
        "id": f"{config.id}/{int(seal_file.stem)}",
        "site": config.id,
        "seal": int(seal_file.stem),
        "release": seal_file.parent.parent.name,
    }
    try:
        release = load_release(paths, seal_file)
        at = release.seal.sealed_at
        general = ask_gate(config.id, release, None, at)
        verdicts = {each.name: ask_gate(config.id, release, each, at) for each in purposes}
    except PumasiError as error:
        return message | {"state": "closed", "problem": type(error).__name__}
    if all(verdict.is_open for verdict in (general, *verdicts.values())):
        return None
    return message | {
        "sealed_at": at.isoformat(),
        "state": general.state,
        "broken_step": release.seal.broken_step,
        "purposes": {name: _purpose(each) for name, each in verdicts.items()},
        "checks": _checks(release, [general, *verdicts.values()]),
    }


def _purpose(verdict: Verdict) -> Message:
    return {"state": verdict.state, "checks": list(verdict.checks)}


def _checks(release: Release, verdicts: Sequence[Verdict]) -> list[Message]:
    """Name, severity and status of every check that closes; their own messages hold counts."""
    outcomes = {outcome.name: outcome for outcome in release.outcomes}
    names = dict.fromkeys(check for verdict in verdicts for check in verdict.checks)
    return [
        {
            "check": name,
            "severity": outcomes[name].severity.value if name in outcomes else None,
            "status": outcomes[name].status.value if name in outcomes else "not_run",
        }
        for name in names
    ]


def _send(config: SiteConfig, message: Message) -> None:
    """Send one message.

    Raises ConfigError or AlertError when it was not taken. Neither shows the address.
    """
    alerts = config.alerts or AlertsConfig()
    place = f"site {config.id}: [alerts]"
    url = secret(place, alerts.webhook_env, alerts.webhook_file) or ""
    _require_safe(place, url)
    try:
        with requests.Session() as session:
            # Proxies and .netrc of the environment would be peers that nobody configured.
            session.trust_env = False
            answer = session.post(
                url,
                json=message,
                headers={"Idempotency-Key": message["id"]},
                timeout=alerts.timeout_seconds,
                allow_redirects=False,
                stream=True,
            )
            answer.close()
    except requests.RequestException as error:
        raise AlertError(
            f"{place}: the webhook was not reached ({type(error).__name__}); is it well, and is "
            "its address right?"
        ) from None
    if not 200 <= answer.status_code < 300:
        raise AlertError(
            f"{place}: the webhook did not take it (status {answer.status_code}); is it well, and "
            "is its address right?"
        )


def _require_safe(place: str, url: str) -> None:
    try:
        address = urlsplit(url)
        local = address.hostname in LOOPBACK
        safe = address.scheme == "https" or (address.scheme == "http" and local)
    except ValueError:
        safe = False
    if not safe:
        raise AlertError(
            f"{place}: the webhook's address must begin with https://; http:// only on this "
            "machine. Correct it where the section names it"
        )


def _tries(progress: Progress) -> str:
    return f"{progress.failures} attempts to tell seal {progress.told + 1} or later have failed"
