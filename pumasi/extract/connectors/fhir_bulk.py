"""The FHIR connector: an export by the asynchronous handshake of HL7 Bulk Data Access.

    GET <base>/$export        202, Content-Location: where to ask for its state
    GET <state>               202 with Retry-After while it is prepared, then 200 and a manifest
    GET <file> for each       NDJSON, one resource in a line
    DELETE <state>            so that the server needn't keep the files

(https://hl7.org/fhir/uv/bulkdata/export.html, version 2.) Only types that the format takes are
asked for. What was fetched is written down after every file, so that a crash costs one file at
most; files of two exports never meet. Links that have expired cost a new export, once.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests

from pumasi.atomic import sync_folder, write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract.connectors.landing import (
    EXPORT_FILE,
    Landed,
    check_day,
    check_persons,
    commit,
    fetching,
    is_there,
    last_landed,
)
from pumasi.extract.connectors.web import (
    Clock,
    GaveUpError,
    RefusedError,
    Server,
    TransientError,
    back_off,
    retry_after,
)
from pumasi.extract.formats import FORMATS
from pumasi.extract.workplace import Progress

JSON = "application/fhir+json"
NDJSON = "application/fhir+ndjson"
CHUNK = 1 << 20
TOLD_BYTES = 256 << 20
EXPIRED = frozenset({401, 403, 404, 410})
# Exports that one run may ask for: the first, and another when links have expired.
EXPORTS = 2
SHARE = re.compile(r"\d{1,3}(?:\.\d+)? ?%")
SEVERE = re.compile(rb'"severity"\s*:\s*"(?:error|fatal)"')
REAL_CLOCK = Clock()


class WrongTypeError(DeliveryError):
    """A file holds resources of another type than the manifest says."""


class ExpiredError(Exception):
    """The export, or a file of it, is not to be had any more."""


@dataclass
class Export:
    """What is known of an export that goes on: kept on disk, because preparing it takes hours.

    `request` is the address that asked for it, `files` the lines of those that are here.
    """

    request: str
    kind: str
    after: str | None
    status: str = ""
    files: dict[str, int] = field(default_factory=dict)
    manifest: str = ""  # transaction time of the export that the files are of

    def save(self, path: Path) -> None:
        """Write it at once or not at all, for its owner only: an address may hold a key."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n", mode=0o600)


@dataclass(frozen=True)
class Output:
    """A file of an export: what it is called here, its type and address, lines if they are said."""

    name: str
    resource: str
    url: str
    count: int | None


def fetch(
    config: SiteConfig,
    paths: SitePaths,
    *,
    full: bool,
    progress: Progress,
    clock: Clock = REAL_CLOCK,
) -> Landed | None:
    """Land what the server exports; None if that is nothing new.

    Raises:
        ConfigError: the token can't be had.
        DeliveryError: the server can't be reached, refuses, or sends something else than it says;
            nothing was landed, and what was fetched is kept where that helps.
    """
    with fetching(config, paths) as work:
        fetcher = _Fetcher(config, paths, work, Server.of(config, clock, progress), full)
        return fetcher.run()


def preview(
    config: SiteConfig, paths: SitePaths, *, full: bool, clock: Clock = REAL_CLOCK
) -> tuple[str, dict[str, int | None]]:
    """Kind and resources per type of the delivery that `fetch` would land, as the server counts.

    A server need not count, and can't for a group: then None.
    """
    server = Server.of(config, clock, lambda message: None)
    since = _since(config, paths, full)
    counts: dict[str, int | None] = {}
    for resource in _types(config):
        url = f"{config.source.url.rstrip('/')}/{resource}?_summary=count"
        if since:
            url += f"&_lastUpdated=gt{quote(since, safe='')}"
        counts[resource] = _counted(server, url) if server.section.export == "$export" else None
    if since and not any(count is None or count for count in counts.values()):
        counts = {}
    return ("incremental" if since else "full"), counts


def _counted(server: Server, url: str) -> int | None:
    try:
        answer = server.patiently("counting", lambda: server.request("GET", url, Accept=JSON))
    except RefusedError as error:
        if error.status in (401, 403):
            raise _refused(server, error, "counting") from None
        return None
    total = server.json(answer).get("total")
    return total if isinstance(total, int) else None


def _types(config: SiteConfig) -> list[str]:
    return [table.resource for table in FORMATS[config.format].tables]


def _since(config: SiteConfig, paths: SitePaths, full: bool) -> str | None:
    """Transaction time of the delivery that this one continues, None if everything is asked for."""
    last = last_landed(config, paths)
    if full or last is None or config.source.kind == "full":
        return None
    return last.position["transaction_time"]


def _refused(server: Server, error: RefusedError, what: str) -> DeliveryError:
    known = {
        401: "it does not accept the token; renew it where [source.fhir_bulk] names it",
        403: "the token does not allow it; ask for the scope system/*.read of the types",
        404: "it knows no such address; is source.url its base address, and `export` what it has?",
        405: "it does not do this operation; ask its administrator for Bulk Data Access",
        400: "it does not understand the request; ask its administrator which parameters of "
        "$export it takes",
    }
    said = known.get(error.status, "ask its administrator")
    if 300 <= error.status < 400:
        said = "it leads elsewhere, which is not followed; write the address that is meant"
    return DeliveryError(
        f"{server.place}: {what} was refused (status {error.status}): {said}. Nothing was landed"
    )


class _Fetcher:
    """One run of `fetch`."""

    def __init__(
        self, config: SiteConfig, paths: SitePaths, work: Path, server: Server, full: bool
    ) -> None:
        self.config = config
        self.paths = paths
        self.work = work
        self.server = server
        self.state = paths.landing / EXPORT_FILE
        self.since = _since(config, paths, full)
        self.last = last_landed(config, paths)

    def run(self) -> Landed | None:
        """The landed delivery, by as many exports as are allowed."""
        asked = 0
        export = self._resumed()
        while True:
            if export is None:
                asked += 1
                export = self._asked()
            else:
                self.server.progress("going on with the export that was asked for before")
            try:
                return self._landed(export)
            except ExpiredError:
                self._forget()
                export = None
                if asked == EXPORTS:
                    raise DeliveryError(
                        f"{self.server.place}: the links of its export expired twice before all "
                        "was fetched; ask its administrator to keep them longer. Nothing was landed"
                    ) from None
                self.server.progress("the links of the export have expired; asking anew")

    # -- asking and waiting ----------------------------------------------------------------------

    def _request(self) -> str:
        parameters = [
            f"_outputFormat={quote(NDJSON, safe='')}",
            f"_type={','.join(_types(self.config))}",
        ]
        if self.since:
            parameters.append(f"_since={quote(self.since, safe='')}")
        base = self.config.source.url.rstrip("/")
        return f"{base}/{self.server.section.export}?{'&'.join(parameters)}"

    def _resumed(self) -> Export | None:
        """The export that a run before this one has asked for, if it is what this one would."""
        if self.state.exists():
            export = Export(**json.loads(self.state.read_text()))
            if export.request == self._request():
                return export
        self._forget()
        return None

    def _asked(self) -> Export:
        request = self._request()
        try:
            answer = self.server.patiently(
                "asking for an export",
                lambda: self.server.request("GET", request, Accept=JSON, Prefer="respond-async"),
            )
        except RefusedError as error:
            raise _refused(self.server, error, "the export") from None
        location = answer.headers.get("Content-Location")
        if answer.status_code != 202 or not location:
            raise DeliveryError(
                f"{self.server.place}: it does not answer $export as Bulk Data Access wants it "
                "(202 and Content-Location); nothing was landed. Ask its administrator"
            )
        kind = "incremental" if self.since else "full"
        after = self.last.name if self.last and self.since else None
        export = Export(request, kind, after, status=urljoin(request, location))
        export.save(self.state)
        return export

    def _ready(self, export: Export) -> dict[str, Any]:
        """The manifest of the export, when it is ready."""
        waited, number = 0.0, 0
        longest = self.server.section.patience_hours * 3600.0
        while True:
            try:
                answer = self.server.patiently(
                    "the state of the export",
                    lambda: self.server.request("GET", export.status, Accept="application/json"),
                )
            except RefusedError as error:
                if error.status in (404, 410):
                    raise ExpiredError from None
                if error.status not in (401, 403):
                    self._forget()
                raise _refused(self.server, error, "the state of the export") from None
            except GaveUpError as error:
                if "status 5" in str(error):  # so it says that the export itself has failed
                    self._forget()
                raise
            if answer.status_code == 200:
                manifest: dict[str, Any] = self.server.json(answer)
                return manifest
            # The words are the server's own: only a share of them is shown.
            shares = SHARE.findall(answer.headers.get("X-Progress", ""))
            self.server.progress(" ".join(["the server prepares the export", *shares[:1]]))
            after = retry_after(answer.headers.get("Retry-After"), self.server.clock)
            delay = after if after is not None else min(4 * back_off(number, self.server.clock), 60)
            if waited + delay > longest:
                raise DeliveryError(
                    f"{self.server.place}: the export is not ready after "
                    f"{self.server.section.patience_hours} hours; nothing was landed. Run again to "
                    "go on waiting, or raise `patience_hours` in [source.fhir_bulk]"
                )
            self.server.clock.sleep(delay)
            waited += delay
            number += 1

    # -- fetching --------------------------------------------------------------------------------

    def _landed(self, export: Export) -> Landed | None:
        manifest = self._ready(export)
        moment, outputs = self._outputs(manifest)
        as_of = self._day(moment)
        if is_there(self.paths, as_of):
            self.server.progress(
                f"a delivery as of {as_of} is there; what changed since comes with the next day's"
            )
            return self._end(export, None)
        check_day(self.config, self.paths, as_of)
        self._check_errors(manifest)
        if not outputs:
            if export.kind == "full":
                self._forget()  # the next run asks anew, and not for the same files
                raise DeliveryError(
                    f"{self.server.place}: its export is empty; nothing was landed. Is "
                    "`export` right, and does the token allow the types?"
                )
            return self._end(export, None)
        if export.manifest != moment:
            export.files.clear()  # of another export
            export.manifest = moment
        token = bool(manifest.get("requiresAccessToken", True))
        for output in outputs:
            if not self._is_here(export, output):
                export.files[output.name] = self._download(output, token)
                export.save(self.state)
        notes = self._notes(manifest, token) if export.kind == "incremental" else ()
        return self._end(export, self._commit(export, outputs, moment, as_of, notes))

    def _commit(
        self,
        export: Export,
        outputs: list[Output],
        moment: str,
        as_of: date,
        notes: tuple[str, ...],
    ) -> Landed:
        rows: dict[str, int] = {}
        for output in outputs:
            rows[output.resource] = rows.get(output.resource, 0) + export.files[output.name]
        try:
            check_persons(self.config, export.kind, rows)
        except DeliveryError:
            self._forget()
            raise
        names = {output.name for output in outputs}
        for file in self.work.iterdir():
            if file.name not in names:
                file.unlink()
        landed = Landed(
            name=as_of.isoformat(),
            connector=self.config.source.connector,
            kind=export.kind,
            after=export.after,
            position={"transaction_time": moment},
            rows=rows,
            notes=notes,
        )
        through = as_of - timedelta(days=self.server.section.lag_days)
        commit(self.config, self.paths, landed, as_of, through)
        return landed

    def _outputs(self, manifest: dict[str, Any]) -> tuple[str, list[Output]]:
        """Transaction time, and the files of the types that were asked for, in their order."""
        moment, listed = manifest.get("transactionTime"), manifest.get("output")
        if not isinstance(moment, str) or not isinstance(listed, list):
            raise self._broken("a manifest without transactionTime and output")
        outputs: list[Output] = []
        numbers: dict[str, int] = {}
        unasked = again = 0
        named: set[tuple[str, str]] = set()
        for each in listed:
            resource, url = self._file(each)
            if resource not in _types(self.config):
                unasked += 1
                continue
            if (resource, url) in named:
                again += 1
                continue
            named.add((resource, url))
            number = numbers.get(resource, 0)
            numbers[resource] = number + 1
            count = each.get("count")
            outputs.append(
                Output(
                    f"{resource}.{number:03d}.ndjson",
                    resource,
                    url,
                    count if isinstance(count, int) else None,
                )
            )
        if unasked:
            self.server.progress(f"{unasked} files of types that nobody asked for are left there")
        if again:
            self.server.progress(f"{again} files that are listed twice are fetched once")
        return moment, outputs

    def _file(self, listed: Any) -> tuple[str, str]:
        """Type and whole address of a file that the manifest lists."""
        url = listed.get("url") if isinstance(listed, dict) else None
        if not isinstance(url, str):
            raise self._broken("a manifest with a file that has no address")
        base = self.config.source.url.rstrip("/") + "/"
        return str(listed.get("type")), urljoin(base, url)

    def _is_here(self, export: Export, output: Output) -> bool:
        return output.name in export.files and (self.work / output.name).exists()

    def _download(self, output: Output, token: bool) -> int:
        """Lines of the file, which is here when this returns."""

        def attempt() -> int:
            with self.server.request(
                "GET", output.url, token=token, stream=True, Accept=NDJSON, Accept_Encoding="gzip"
            ) as answer:
                return self._written(answer, output)

        try:
            lines = self.server.patiently(output.name, attempt)
        except RefusedError as error:
            if error.status in EXPIRED:
                raise ExpiredError from None
            raise _refused(self.server, error, output.name) from None
        except WrongTypeError:
            self._forget()
            raise
        self.server.progress(f"{output.name}: {lines:,} lines")
        return lines

    def _written(self, answer: requests.Response, output: Output) -> int:
        part = self.work / f"{output.name}.part"
        check = _Lines(self.server, output)
        told = 0
        with part.open("wb") as stream:
            for chunk in answer.iter_content(CHUNK):
                stream.write(chunk)
                check.add(chunk)
                if stream.tell() - told >= TOLD_BYTES:
                    told = stream.tell()
                    self.server.progress(f"{output.name}: {told >> 20:,} MB so far")
            check.end()
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(self.work / output.name)
        sync_folder(self.work)
        return check.lines

    # -- what stands beside the files ------------------------------------------------------------

    def _check_errors(self, manifest: dict[str, Any]) -> None:
        """Refuse an export of which the server says that something could not be exported."""
        # A line that can't be understood may say anything: it counts as an error.
        severe = sum(
            len(SEVERE.findall(line)) or not isinstance(_parsed(line), dict)
            for line in self._lines_beside(manifest, "error", manifest.get("requiresAccessToken"))
        )
        if severe and not self.server.section.tolerate_errors:
            self._forget()
            raise DeliveryError(
                f"{self.server.place}: it says that its export has {severe:,} errors, so something "
                "is missing, and would be missed by no later delivery; nothing was landed. Ask its "
                "administrator; if they don't matter, set `tolerate_errors = true` in "
                "[source.fhir_bulk]"
            )

    def _notes(self, manifest: dict[str, Any], token: bool) -> tuple[str, ...]:
        """What the server has deleted, which an incremental delivery can't take out."""
        deleted: dict[str, int] = {}
        for line in self._lines_beside(manifest, "deleted", token):
            for resource in _deleted(line):
                deleted[resource] = deleted.get(resource, 0) + 1
        if not deleted:
            return ()
        said = ", ".join(f"{n:,} {resource}" for resource, n in sorted(deleted.items()))
        return (
            f"deleted at the source: {said}; they stay here until a full delivery "
            "(pumasi pull --full)",
        )

    def _lines_beside(self, manifest: dict[str, Any], key: str, token: Any) -> Iterator[bytes]:
        files = manifest.get(key) or []
        if not isinstance(files, list):
            raise self._broken(f"a manifest whose `{key}` is no list")
        for each in files:
            _, url = self._file(each)

            def attempt(url: str = url) -> list[bytes]:
                asked = self.server.request("GET", url, token=bool(token), Accept=NDJSON)
                return [line for line in asked.content.splitlines() if line.strip()]

            try:
                yield from self.server.patiently(f"the list of what is {key}", attempt)
            except RefusedError as error:
                if error.status in EXPIRED:
                    raise ExpiredError from None
                raise _refused(self.server, error, f"the list of what is {key}") from None

    def _day(self, moment: str) -> date:
        try:
            return date.fromisoformat(moment[:10])
        except ValueError:
            raise self._broken("a transactionTime that is no instant") from None

    def _broken(self, what: str) -> DeliveryError:
        self._forget()
        return DeliveryError(
            f"{self.server.place}: its export has {what}; nothing was landed. Ask its administrator"
        )

    def _end(self, export: Export, landed: Landed | None) -> Landed | None:
        """Tell the server that its files are not needed any more; what it says doesn't matter."""
        self.state.unlink(missing_ok=True)
        with suppress(Exception):
            self.server.request("DELETE", export.status)
        return landed

    def _forget(self) -> None:
        self.state.unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o700)


class _Lines:
    """Looks at the lines of a file while it comes: their number, their type, and the last one."""

    def __init__(self, server: Server, output: Output) -> None:
        self.server = server
        self.output = output
        self.lines = 0
        self.objects = 0
        self.tail = b""
        self.usual = b'{"resourceType":"' + output.resource.encode() + b'"'

    def add(self, chunk: bytes) -> None:
        """Look at what came."""
        *lines, self.tail = (self.tail + chunk).split(b"\n")
        for line in lines:
            self._look(line)

    def end(self) -> None:
        """All came.

        Raises:
            TransientError: it did not: the last line is cut off, lines are missing, or what came is
                something else, as the page of a proxy.
        """
        self._look(self.tail)
        rest = self.tail.strip()
        # Broken and ended is how the server has it: it is quarantined as any line.
        if rest and _parsed(rest) is None and (self.objects or rest.startswith(b"{")):
            raise TransientError("the last line is cut off")
        if self.lines and not self.objects:
            raise TransientError("no line of it is a resource: is it a page instead of NDJSON?")
        if self.output.count is not None and self.output.count != self.lines:
            raise TransientError(f"{self.lines:,} of {self.output.count:,} lines came")

    def _look(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        self.lines += 1
        if line.startswith(self.usual):
            self.objects += 1
            return
        # What is no JSON is quarantined when it is read.
        resource = _parsed(line)
        if not isinstance(resource, dict):
            return
        self.objects += 1
        if resource.get("resourceType") != self.output.resource:
            raise WrongTypeError(
                f"{self.server.place}: the file that it says holds {self.output.resource} holds "
                f"another type in line {self.lines}; nothing was landed. Ask its administrator"
            )


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _deleted(line: bytes) -> Iterator[str]:
    """Types of the resources that a Bundle of deletions names."""
    bundle = _parsed(line)
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(request, dict):
            continue
        resource = str(request.get("url", "")).rpartition("/")[0].rpartition("/")[2]
        if request.get("method") == "DELETE":
            yield resource if re.fullmatch(r"[A-Za-z]{2,40}", resource) else "other"
