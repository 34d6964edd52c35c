"""What travels: one request to every hospital, one reply of each. Bytes of JSON, checked when read.

The hub sends the same request to all. A reply holds words, as many as the request's queries have
entries whatever the hospital's counts are, or a refusal with a code and no number.

Behind the addend to an exact total stand two words more, its verdicts: 1 where the hospital's rows
do not allow an answer, of which the entries are 0 then. They are hidden and summed as entries are,
so that the hub learns in how many hospitals the rows do not, and not in which.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pumasi.errors import AimedError, FederationError, QueryError, RefusalError
from pumasi.federation.cells import LIMITS, Limits
from pumasi.federation.fixed_point import Words
from pumasi.federation.query import Part, Query, canonical, query_from_dict
from pumasi.federation.zcdp import deviation

# What a verdict says, by the codes of `pumasi.disclosure`. An estimator can do something about the
# first: it steps less far.
AIMED, UNFIT = "aimed_at_few_persons", "parameters_do_not_fit"
VERDICTS = (AIMED, UNFIT)


class Mode(StrEnum):
    """What of the answers exists outside the hospitals."""

    MASKED = "masked"  # the sum: addends are hidden by masks
    CLEAR = "clear"  # the sum, of addends that the hub could read
    EACH = "each"  # every hospital's own answer


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """The message as it travels."""
        return canonical(self.model_dump(mode="json"))


class Privacy(_Message):
    """Noise that an exchange is to be answered with.

    Args:
        clip: longest contribution of a person, in units of the parts.
        rho: what each hospital spends, zero-concentrated differential privacy.
        rest: rho that later exchanges of the run will spend. A hospital that can't spend both
            refuses the first exchange, so that nothing is spent on an estimate without an end.
    """

    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    rho: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    rest: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def deviation(self, part: Part, hospitals: int) -> float:
        """Standard deviation of the noise in an entry of a sum over so many hospitals."""
        return deviation(self.clip * part.unit, self.rho) * float(np.sqrt(hospitals))


class Request(_Message):
    """One exchange, as every hospital gets it.

    Args:
        run: identifies the run; exchanges of a run are numbered from 1.
        exchange: number within the run, from 1.
        subject: the task or study whose rows are meant.
        mode: what of the answers may be seen.
        contributors: all hospitals that are asked, sorted.
        minimum_persons: fewest persons that the hub shows a sum of.
        minimum_outcome: fewest persons with (or without) the outcome that the hub shows of a sum.
        queries: as `Query.to_dict` writes them.
        privacy: noise of the answers; None for exact ones.
    """

    run: str
    exchange: Annotated[int, Field(ge=1, lt=2**31)]
    subject: str
    mode: Mode
    contributors: tuple[str, ...]
    minimum_persons: int
    minimum_outcome: int
    queries: tuple[dict[str, Any], ...]
    privacy: Privacy | None = None

    @classmethod
    def of(
        cls,
        run: str,
        exchange: int,
        subject: str,
        mode: Mode,
        contributors: Sequence[str],
        queries: Sequence[Query],
        privacy: Privacy | None = None,
        limits: Limits = LIMITS,
    ) -> Request:
        """The request that asks these queries."""
        asked = tuple(query.to_dict() for query in queries)
        return cls(
            run=run,
            exchange=exchange,
            subject=subject,
            mode=mode,
            contributors=tuple(sorted(contributors)),
            minimum_persons=limits.persons,
            minimum_outcome=limits.outcome,
            queries=asked,
            privacy=privacy,
        )

    @classmethod
    def from_bytes(cls, message: bytes) -> Request:
        """The request that was sent.

        Raises:
            QueryError: it is no request.
        """
        try:
            return cls.model_validate_json(message)
        except ValidationError:
            raise QueryError("what came is no request of this version") from None

    @property
    def has_verdicts(self) -> bool:
        """Whether verdicts stand behind the entries."""
        return self.mode is not Mode.EACH and self.privacy is None

    def length(self, queries: Sequence[Query]) -> int:
        """How many words answer the queries of the request."""
        entries = sum(part.size for part in all_parts(queries))
        return entries + len(VERDICTS) if self.has_verdicts else entries

    def typed_queries(self) -> list[Query]:
        """The queries as types that are registered here.

        Raises:
            QueryError: one is not.
        """
        return [query_from_dict(each) for each in self.queries]

    @property
    def hash(self) -> str:
        """SHA-256 of the message, in hexadecimal: what masks and replies are bound to."""
        return sha256(self.to_bytes()).hexdigest()


class Reply(_Message):
    """What one hospital answers: words, or why not.

    Args:
        hospital: who answers.
        request: hash of the request.
        words: the answer; empty with a refusal.
        refusal: a code of `pumasi.disclosure`, never a number; empty with an answer.
        release: id of the release that it was computed of.
        head: end of the hospital's audit log when the answer was about to leave.
    """

    hospital: str
    request: str
    words: str = ""
    refusal: str = ""
    release: str = ""
    head: str = ""

    @classmethod
    def of(
        cls, hospital: str, request: Request, words: Words, release: str = "", head: str = ""
    ) -> Reply:
        """An answer."""
        text = b64encode(words.astype("<u8").tobytes()).decode()
        return cls(hospital=hospital, request=request.hash, words=text, release=release, head=head)

    @classmethod
    def refused(cls, hospital: str, request_hash: str, code: str, head: str = "") -> Reply:
        """A refusal with its code."""
        return cls(hospital=hospital, request=request_hash, refusal=code, head=head)

    @classmethod
    def from_bytes(cls, message: bytes, hospital: str, request: Request) -> Reply:
        """The reply to `request` of `hospital`, checked to be just that.

        Raises:
            FederationError: it is no reply, of another hospital, or to another request.
        """
        try:
            reply = cls.model_validate_json(message)
        except ValidationError:
            raise FederationError(f"{hospital}: what came back is no reply") from None
        if reply.hospital != hospital or reply.request != request.hash:
            raise FederationError(f"{hospital}: the reply is of another hospital or request")
        return reply

    def opened(self, length: int) -> Words:
        """The words of the reply, shape (length,).

        Raises:
            FederationError: the hospital refused, or sent another number of words.
        """
        if self.refusal:
            raise RefusalError(f"{self.hospital} refused: {self.refusal}")
        raw = b64decode(self.words)
        if len(raw) != 8 * length:
            raise FederationError(f"{self.hospital}: the reply has another number of words")
        return np.frombuffer(raw, dtype="<u8").astype(np.uint64)


def entries_of(total: Words) -> Words:
    """The entries of an exact total, which its verdicts stand behind.

    Raises:
        AimedError: at a hospital few persons would make most of the sum.
        RefusalError: at a hospital the rows do not fit what is asked.
    """
    for code, hospitals in zip(VERDICTS, total[-len(VERDICTS) :], strict=True):
        if hospitals > 0:
            error = AimedError if code == AIMED else RefusalError
            raise error(
                f"the rows of a hospital do not allow the answer: {code}. Which hospital's, nobody "
                "is told; its own log says so"
            )
    return total[: -len(VERDICTS)]


def all_parts(queries: Sequence[Query]) -> tuple[Part, ...]:
    """The parts of all queries of a request, in the order in which they are sent."""
    return tuple(part for query in queries for part in query.parts())
