"""Asking a server over HTTP: patiently, only the hosts that were configured, with nothing said.

What may be over in a moment (429, 500, 502, 503, 504, a broken connection) is tried again: after
the time that the server names in Retry-After, else after an exponentially growing one, half of
which is random so that many clients don't come back together. No body, header or token enters a
message. Neither proxies nor .netrc of the environment are used: they would be peers and passwords
that nobody configured.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from pumasi.config import FhirBulkConfig, SiteConfig
from pumasi.errors import DeliveryError
from pumasi.extract.connectors.secret import secret
from pumasi.extract.workplace import Progress

T = TypeVar("T")
ATTEMPTS = 6
FIRST_DELAY = 1.0
LONGEST_DELAY = 120.0
# A server that wants to be left alone for longer is asked again all the same.
LONGEST_RETRY_AFTER = 3600.0
TIMEOUT = (10.0, 120.0)  # seconds to connect, and between two bytes
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Clock:
    """Time and chance, to be replaced where they must not be left to themselves."""

    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class TransientError(Exception):
    """It may go well the next time; `after` is how many seconds the server wants to be left."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class RefusedError(Exception):
    """The server answered with a status that the next attempt would not change."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class GaveUpError(DeliveryError):
    """Every attempt met something that may be over in a moment."""


def back_off(number: int, clock: Clock) -> float:
    """Seconds before the attempt after the one of that number (from 0)."""
    longest: float = min(LONGEST_DELAY, FIRST_DELAY * 2.0**number)
    return longest / 2 + longest / 2 * clock.chance()


def retry_after(header: str | None, clock: Clock) -> float | None:
    """Seconds that Retry-After names, as a number or a date; None if it says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - clock.now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None


@dataclass(frozen=True)
class Server:
    """The configured server, and how it is asked."""

    config: SiteConfig
    section: FhirBulkConfig
    session: requests.Session
    clock: Clock
    progress: Progress

    @classmethod
    def of(cls, config: SiteConfig, clock: Clock, progress: Progress) -> "Server":
        """The server of the site's configuration."""
        section = config.source.fhir_bulk or FhirBulkConfig()
        session = requests.Session()
        session.trust_env = False
        session.verify = section.ca_file or True
        return cls(config, section, session, clock, progress)

    @property
    def place(self) -> str:
        """Which server, for messages."""
        return f"site {self.config.id}: the FHIR server {self.host}"

    @property
    def host(self) -> str:
        """Host and port of the configured address."""
        return urlsplit(self.config.source.url).netloc

    def patiently(self, what: str, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, after as many attempts as it takes, up to ATTEMPTS.

        Raises:
            GaveUpError: every one was in vain.
            DeliveryError: its certificate isn't accepted, or it asks for what isn't HTTP.
        """
        for number in range(ATTEMPTS):
            try:
                return attempt()
            except requests.exceptions.SSLError:
                raise DeliveryError(
                    f"{self.place}: its certificate is not accepted; name that of its authority "
                    "as ca_file in [source.fhir_bulk]. Nothing was landed"
                ) from None
            except TransientError as error:
                why, after = str(error), error.after
            except requests.RequestException as error:
                why, after = f"the connection broke ({type(error).__name__})", None
            if number + 1 < ATTEMPTS:
                delay = back_off(number, self.clock) if after is None else after
                self.progress(f"{what}: {why}; again in {delay:.0f} s")
                self.clock.sleep(delay)
        raise GaveUpError(
            f"{self.place}: {what}: {why}, in {ATTEMPTS} attempts. Nothing was landed; what was "
            "fetched is kept: run again when the server is well"
        )

    def request(
        self, method: str, url: str, *, token: bool = True, stream: bool = False, **headers: str
    ) -> requests.Response:
        """One request.

        Raises:
            TransientError: it may go well the next time.
            RefusedError: another status than 2xx that stays.
            DeliveryError: the address is at another host than the configured.
        """
        self._check_host(url)
        sent: dict[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
        if token and (value := self._token()):
            sent["Authorization"] = f"Bearer {value}"
        response = self.session.request(
            method, url, headers=sent, stream=stream, timeout=TIMEOUT, allow_redirects=False
        )
        if response.ok and response.status_code < 300:
            return response
        response.close()
        if response.status_code in TRANSIENT:
            after = retry_after(response.headers.get("Retry-After"), self.clock)
            raise TransientError(f"status {response.status_code}", after)
        raise RefusedError(response.status_code)

    def json(self, response: requests.Response) -> Any:
        """The JSON object of an answer.

        Raises:
            DeliveryError: it is none.
        """
        try:
            said = response.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise DeliveryError(
                f"{self.place}: it answers with something that is no JSON object; is source.url "
                f"in network/{self.config.id}.toml the base address of a FHIR server?"
            )
        return said

    def _token(self) -> str | None:
        place = f"site {self.config.id}: [source.fhir_bulk]"
        return secret(place, self.section.token_env, self.section.token_file)

    def _check_host(self, url: str) -> None:
        own, there = urlsplit(self.config.source.url), urlsplit(url)
        if (own.scheme, own.netloc) == (there.scheme, there.netloc):
            return
        encrypted = there.scheme == "https" or (there.scheme == "http" and there.hostname in LOCAL)
        if not encrypted or there.netloc not in self.section.file_hosts:
            raise DeliveryError(
                f"{self.place} leads to {there.scheme}://{there.netloc.rpartition('@')[2]}, which "
                "is not configured: nothing was asked there. If it is the server's own store, add "
                f"the host to `file_hosts` in [source.fhir_bulk] of network/{self.config.id}.toml"
            )
