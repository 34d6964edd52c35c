"""A hospital's own answering: from a request to the reply, by the hospital's rules alone.

What came is a message of somebody who may be anybody: every rule is held to here. The order: was it
answered before; is it a known query; does the steward's approval cover it, with these contributors;
is the release open; would the answer, held against earlier ones, tell of few persons; the airlock.
Then the log says what is about to leave, the reply is kept, it leaves, and the log says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path

import duckdb

import pumasi.federation.queries  # noqa: F401 - registers what may be asked
from pumasi import audit
from pumasi.answer.task_rows import task_rows
from pumasi.config.paths import SitePaths
from pumasi.disclosure.airlock import Outgoing, addend, own_answer, private_addend
from pumasi.disclosure.answered import Answered
from pumasi.disclosure.approval import Approval, require_approval
from pumasi.disclosure.differencing import Persons, tells_of_few
from pumasi.disclosure.ledger import Budget, require_budget
from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.errors import AuditError, GateClosedError, QueryError, ReleaseError, TaskError
from pumasi.federation.fixed_point import Words
from pumasi.federation.masks import MaskKey, mask
from pumasi.federation.messages import Mode, Reply, Request, all_parts
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, Rows
from pumasi.learn.task import LEARNING, TESTING, Task
from pumasi.release import open_release

Send = Callable[[bytes], None]
# Of what is answered in the hospital's own name: one number per three persons, over a whole task.
PERSONS_A_NUMBER = 3
# What the node's own program says when the hub ships another app than is installed here.
ANOTHER_APP = b"another app than is installed here"
# Persons by whom may be asked. Any cohort that the hub names might be another one but for a person.
_PARTS = frozenset({ALL_PERSONS, LEARNING, TESTING})


@dataclass(frozen=True)
class _Opened:
    release: str
    rows: Rows


class Hospital:
    """The answering process of one hospital.

    Args:
        paths: of the hospital.
        key: its own key of masks.
        public_keys: of the hospitals that it may sum with, by name, its own among them.
        tasks: what it can be asked about.
        network: folder of the site files; None for the one in use.
    """

    def __init__(
        self,
        paths: SitePaths,
        key: MaskKey,
        public_keys: Mapping[str, bytes],
        tasks: tuple[Task, ...],
        network: Path | None = None,
    ) -> None:
        self.paths = paths
        self.name = paths.root.name
        self.key = key
        self.public_keys = public_keys
        self.tasks = {task.name: task for task in tasks}
        self.network = network
        self.answered = Answered(paths.answers)
        self._opened: dict[str, _Opened] = {}

    def answer(self, message: bytes, send: Send, at: datetime | None = None) -> None:
        """Answer a request: `send` is called once, with the reply.

        Whatever goes wrong, the reply is a refusal with a code; the log has the code as well. Other
        processes that answer for this hospital wait meanwhile: what was answered before decides.

        Raises:
            AuditError: the reply has left, and the log can't say so.
        """
        now = at or datetime.now(UTC)
        try:
            request = Request.from_bytes(message)
        except QueryError:
            refusal = Refusal.APP if message == ANOTHER_APP else Refusal.REQUEST
            self._refuse(sha256(message).hexdigest(), refusal, None, send, now)
            return
        try:
            with self.answered.alone():
                reply = self._answer(request, now)
        except RefusedError as error:
            self._refuse(request.hash, error.refusal, request, send, now)
            return
        except Exception as error:  # its text may quote a row: the log has the type alone
            fault = type(error).__name__
            self._refuse(request.hash, Refusal.FAULT, request, send, now, fault)
            return
        send(reply)
        audit.append(self.paths, datetime.now(UTC), "sent", _about(request))

    def _answer(self, request: Request, now: datetime) -> bytes:
        """The reply, which is in the log and in the record when it is returned."""
        if kept := self.answered.reply(request.run, request.exchange):
            if kept[0] != request.hash:
                raise RefusedError(Refusal.REPLAYED)
            self._log("repeated", now, _about(request))
            return kept[1]
        queries = self._queries(request)
        approval = self._approval(request, queries, now)
        opened = self._open(request.subject, approval, now)
        if request.privacy is None and approval.privacy is None:
            persons = self._persons(request, queries, opened.rows, approval)
            outgoing = self._outgoing(request, queries, opened.rows, approval)
        else:
            persons = []
            outgoing = self._private(request, queries, opened.rows, approval)
        about = {
            **_about(request),
            "approval": approval.id,
            "release": opened.release,
            "queries": [f"{query.name} {query.hash[:16]}" for query in queries],
            "outcomes": sorted({getattr(query, "outcome", "") for query in queries} - {""}),
            "numbers": len(outgoing.words),
            **({"verdict": outgoing.verdict} if outgoing.verdict else {}),
            "rho": request.privacy.rho if request.privacy else "exact",
        }
        head = self._log("intended", now, about)
        reply = Reply.of(self.name, request, outgoing.words, opened.release, str(head)).to_bytes()
        try:
            self.answered.keep(
                run=request.run,
                number=request.exchange,
                request=request.hash,
                subject=request.subject,
                mode=request.mode.value,
                entries=len(outgoing.words),
                rho=request.privacy.rho if request.privacy else None,
                reply=reply,
                persons=persons,
                minimum=approval.minimum_persons,
            )
        except sqlite3.Error:
            raise RefusedError(Refusal.AUDIT) from None
        return reply

    def _queries(self, request: Request) -> list[Query]:
        try:
            queries = request.typed_queries()
        except QueryError:
            raise RefusedError(Refusal.QUERY) from None
        if any(keys not in _PARTS for query in queries for keys in query.every_keys):
            raise RefusedError(Refusal.KEYS)
        return queries

    def _approval(self, request: Request, queries: list[Query], now: datetime) -> Approval:
        if request.subject not in self.tasks:
            raise RefusedError(Refusal.SUBJECT)
        kinds = {query.kind for query in queries}
        asked = set(request.contributors)
        approval = require_approval(request.subject, kinds, asked, self.paths, now.date())
        if not asked <= set(self.public_keys):
            raise RefusedError(Refusal.CONTRIBUTORS)
        if (
            request.minimum_persons < approval.minimum_persons
            or request.minimum_outcome < approval.minimum_outcome
        ):
            raise RefusedError(Refusal.MINIMUM)
        if request.mode is Mode.CLEAR:
            raise RefusedError(Refusal.CLEAR)
        return approval

    def _open(self, subject: str, approval: Approval, now: datetime) -> _Opened:
        task = self.tasks[subject]
        try:
            release = open_release(self.name, task.purpose, now, _home(self.paths), self.network)
        except (GateClosedError, ReleaseError):
            raise RefusedError(Refusal.RELEASE) from None
        except AuditError:
            raise RefusedError(Refusal.AUDIT) from None
        if approval.release not in ("latest", release.id):
            raise RefusedError(Refusal.OTHER_RELEASE)
        opened = self._opened.get(subject)
        if opened is None or opened.release != release.id:
            try:
                with duckdb.connect() as connection:
                    rows = task_rows(task, release.read(task.table, connection))
            except (TaskError, ReleaseError):
                raise RefusedError(Refusal.RELEASE) from None
            opened = self._opened[subject] = _Opened(release.id, rows)
        return opened

    def _persons(
        self, request: Request, queries: list[Query], rows: Rows, approval: Approval
    ) -> list[Persons]:
        """Of whom the answer will be, but for sets that were held against all others before.

        Refused if earlier answers, or its own, then tell of few.
        """
        try:
            subsets = [part for query in queries for part in query.subsets(query.chosen(rows))]
        except QueryError:
            raise RefusedError(Refusal.PARAMETERS) from None
        persons = {
            each.key: each for each in (Persons.of(request.subject, part) for part in subsets)
        }
        compared = self.answered.compared(approval.minimum_persons)
        new = [each for key, each in persons.items() if key not in compared]
        for other in chain(self.answered.persons(), new) if new else ():
            if tells_of_few(other, new, approval.minimum_persons):
                raise RefusedError(Refusal.DIFFERENCE)
        return new

    def _outgoing(
        self, request: Request, queries: list[Query], rows: Rows, approval: Approval
    ) -> Outgoing:
        try:
            if request.mode is Mode.EACH:
                self._require_room(request, queries, rows)
                # A lower minimum of outcomes is for sums alone.
                return own_answer(
                    queries, rows, replace(approval.limits, outcome=approval.minimum_persons)
                )
            masks = self._masks(request, queries)
            return addend(queries, rows, masks, approval.limits, len(request.contributors))
        except QueryError:
            raise RefusedError(Refusal.PARAMETERS) from None

    def _private(
        self, request: Request, queries: list[Query], rows: Rows, approval: Approval
    ) -> Outgoing:
        """An addend with noise, within what is left of the budget."""
        if request.privacy is None or approval.privacy is None or request.mode is Mode.EACH:
            raise RefusedError(Refusal.NOT_PRIVATE)
        budget = Budget(approval.privacy.epsilon, approval.privacy.delta)
        require_budget(self.answered.spent(), request.privacy.rho + request.privacy.rest, budget)
        try:
            return private_addend(queries, rows, self._masks(request, queries), request.privacy)
        except QueryError:
            raise RefusedError(Refusal.NOT_PRIVATE) from None

    def _masks(self, request: Request, queries: list[Query]) -> Words:
        public = {name: self.public_keys[name] for name in request.contributors}
        size = request.length(queries)
        return mask(self.key, self.name, public, request.hash.encode(), size)

    def _require_room(self, request: Request, queries: list[Query], rows: Rows) -> None:
        """Refuse more numbers of the hospital's own than a third of its persons."""
        asked = sum(part.size for part in all_parts(queries))
        given = self.answered.numbers(request.subject, Mode.EACH.value)
        if (asked + given) * PERSONS_A_NUMBER > rows.persons():
            raise RefusedError(Refusal.MANY_NUMBERS)

    def _refuse(
        self,
        request_hash: str,
        refusal: Refusal,
        request: Request | None,
        send: Send,
        now: datetime,
        fault: str = "",
    ) -> None:
        about = _about(request) if request else {}
        said = {"refusal": refusal.value, **({"fault": fault} if fault else {})}
        try:
            head = str(self._log("refused", now, {**about, **said}))
        except RefusedError as error:
            refusal, head = error.refusal, ""
        send(Reply.refused(self.name, request_hash, refusal.value, head).to_bytes())

    def _log(self, event: str, now: datetime, said: audit.Said) -> audit.Head:
        try:
            return audit.append(self.paths, now, event, said)
        except AuditError:
            raise RefusedError(Refusal.AUDIT) from None


def _about(request: Request) -> dict[str, str | int | float | list[str]]:
    return {
        "run": request.run,
        "exchange": request.exchange,
        "subject": request.subject,
        "mode": request.mode.value,
        "request": request.hash,
    }


def _home(paths: SitePaths) -> Path:
    return paths.root.parent.parent
