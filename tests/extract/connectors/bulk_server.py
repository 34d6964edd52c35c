"""A FHIR server on loopback that does the asynchronous handshake of Bulk Data Access.

It holds resources with the instant of their last change, prepares an export while it is polled,
and can be told to fail: `faults` are what the next requests to a kind of address get instead, and
`spoil`, `spoil_sent` and `reshape` change every file, what is sent of it, and every manifest.
"""

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fault = tuple[int, Mapping[str, str]] | str


@dataclass
class BulkServer:
    """What the server holds, and what it was asked."""

    resources: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    now: str = "2024-06-30T12:00:00+09:00"
    polls: int = 1  # answers 202 before 200
    per_file: int = 2
    token: str | None = None
    packed: bool = False
    counts: bool = True
    elsewhere: str | None = None  # host of the files
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    beside: dict[str, list[str]] = field(default_factory=dict)  # other files of every export
    spoil: Callable[[bytes], bytes] = lambda body: body
    spoil_sent: Callable[[bytes], bytes] = lambda body: body
    reshape: Callable[[dict[str, Any]], Any] = lambda manifest: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    exports: dict[str, dict[str, Any]] = field(default_factory=dict)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}/fhir"

    def add(self, *resources: dict[str, Any], changed: str = "2024-06-01T00:00:00Z") -> None:
        """Put resources that were changed at that instant."""
        self.resources += [(changed, each) for each in resources]

    def kinds(self) -> list[str]:
        """What was asked, as kinds of addresses."""
        return [kind for _, kind in self.asked]

    def export(self, query: Mapping[str, list[str]]) -> str:
        """A new export of what is there now; its number."""
        number = str(len(self.exports) + 1)
        since = query.get("_since", [""])[0]
        types = query["_type"][0].split(",")
        chosen = [each for changed, each in self.resources if changed > since]
        files: dict[str, list[str]] = {}
        output = []
        for resource in sorted({each["resourceType"] for each in chosen}):
            if resource not in types:
                continue
            lines = [json.dumps(e) for e in chosen if e["resourceType"] == resource]
            for start in range(0, len(lines), self.per_file):
                part = lines[start : start + self.per_file]
                output.append((resource, len(part), self._file(number, files, part)))
        beside = {}
        if since and self.deleted:
            entries = [{"request": {"method": "DELETE", "url": url}} for url in self.deleted]
            bundle = json.dumps({"resourceType": "Bundle", "entry": entries})
            beside["deleted"] = [{"type": "Bundle", "url": self._file(number, files, [bundle])}]
        if self.errors:
            lines = [json.dumps(each) for each in self.errors]
            url = self._file(number, files, lines)
            beside["error"] = [{"type": "OperationOutcome", "url": url}]
        manifest = {
            "transactionTime": self.now,
            "request": "…",
            "requiresAccessToken": self.token is not None,
            "output": [
                {"type": resource, "url": url} | ({"count": count} if self.counts else {})
                for resource, count, url in output
            ],
            "error": [],
        } | beside
        self.reshape(manifest)
        self.exports[number] = {"polls": self.polls, "files": files, "manifest": manifest}
        return number

    def _file(self, number: str, files: dict[str, list[str]], lines: list[str]) -> str:
        name = f"{len(files)}.ndjson"
        files[name] = lines
        host = self.elsewhere or f"127.0.0.1:{self.port}"
        return f"http://{host}/files/{number}/{name}?signature=sssh"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bulk: BulkServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""

    def do_GET(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        kind = next(
            (k for k in ("$export", "status", "files", "_summary") if k in self.path), "other"
        )
        if self.command == "DELETE":
            kind = "delete"
        with self.bulk.lock:
            self.bulk.asked.append((self.path, kind))
            self.bulk.headers.append(dict(self.headers))
            fault = self.bulk.faults[kind].pop(0) if self.bulk.faults.get(kind) else None
        if isinstance(fault, tuple):
            self._send(fault[0], b"", dict(fault[1]))
        elif self.bulk.token and self.headers.get("Authorization") != f"Bearer {self.bulk.token}":
            self._send(401, b"")
        else:
            getattr(self, f"_{kind.strip('$_')}")(address.path, parse_qs(address.query), fault)

    def _export(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        assert self.headers["Prefer"] == "respond-async"
        assert self.headers["Accept"] == "application/fhir+json"
        number = self.bulk.export(query)
        self._send(202, b"", {"Content-Location": f"{self.bulk.url}/status/{number}"})

    def _status(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        export = self.bulk.exports.get(path.rpartition("/")[2])
        if export is None:
            self._send(404, b"")
        elif export["polls"] > 0:
            export["polls"] -= 1
            words = "Kim Minji is 40 % done"
            self._send(202, b"", {"Retry-After": "7", "X-Progress": words})
        else:
            self._send(200, json.dumps(export["manifest"]).encode())

    def _delete(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        self._send(202, b"")

    def _files(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        number, name = path.split("/")[-2:]
        lines = (self.bulk.exports[number]["files"] | self.bulk.beside)[name]
        body = "".join(f"{line}\n" for line in lines).encode()
        body = self.bulk.spoil(body)
        headers = {"Content-Type": "application/fhir+ndjson"}
        if fault == "wrong type":
            body = body.replace(b'"resourceType": "Patient"', b'"resourceType": "Person"')
        if fault == "whole lines missing":
            body = body[: body.index(b"\n") + 1]
        if fault == "cut off":
            body = body[:-20]
        if self.bulk.packed and self.headers.get("Accept-Encoding") == "gzip":
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        body = self.bulk.spoil_sent(body)
        if fault == "page":
            body = b"<html>\n<body>Please log in</body>\n</html>\n"
        if fault == "short":
            self.close_connection = True
            self._send(200, body[: len(body) // 2], headers, length=len(body))
            return
        self._send(200, body, headers)

    def _summary(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        resource = path.rpartition("/")[2]
        since = query.get("_lastUpdated", ["gt"])[0].removeprefix("gt")
        total = sum(
            each["resourceType"] == resource and changed > since
            for changed, each in self.bulk.resources
        )
        self._send(200, json.dumps({"resourceType": "Bundle", "total": total}).encode())

    def _other(self, path: str, query: dict[str, list[str]], fault: str | None) -> None:
        self._send(404, b"")

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_bulk_server() -> Iterator[BulkServer]:
    """A server on a free port of loopback."""
    bulk = BulkServer()
    handler = type("Handler", (_Handler,), {"bulk": bulk})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        bulk.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield bulk
        finally:
            listener.shutdown()
            thread.join()
