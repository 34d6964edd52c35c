"""A hospital that answers from rows in memory: public data, simulated data, a pool of several.

It answers as a hospital's own process does, through the airlock, with noise if asked so; it has no
release, approval, ledger or log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pumasi.disclosure.airlock import Outgoing, addend, own_answer, private_addend
from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.errors import QueryError
from pumasi.federation.cells import LIMITS, Limits
from pumasi.federation.fixed_point import Words
from pumasi.federation.masks import MaskKey, mask
from pumasi.federation.messages import Mode, Reply, Request
from pumasi.federation.query import Query
from pumasi.federation.rows import Rows


@dataclass(frozen=True)
class Holding:
    """Rows and keys of one hospital.

    Args:
        name: of the hospital.
        rows: of its persons.
        limits: its minimum.
        key: its own key of masks.
        public_keys: of the hospitals that it sums with, by name, its own among them.
    """

    name: str
    rows: Rows
    limits: Limits
    key: MaskKey
    public_keys: Mapping[str, bytes]

    def answer(self, message: bytes) -> bytes:
        """The reply to a request: an answer, or a refusal with its code."""
        request = Request.from_bytes(message)
        try:
            outgoing = self._outgoing(request)
        except RefusedError as error:
            return Reply.refused(self.name, request.hash, error.refusal).to_bytes()
        except QueryError:
            return Reply.refused(self.name, request.hash, Refusal.PARAMETERS).to_bytes()
        return Reply.of(self.name, request, outgoing.words).to_bytes()

    def _outgoing(self, request: Request) -> Outgoing:
        queries = request.typed_queries()
        if request.mode is Mode.EACH:
            return own_answer(queries, self.rows, self.limits)
        self._require_known(request)
        masks = self._masks(request, queries)
        if request.privacy is not None:
            return private_addend(queries, self.rows, masks, request.privacy)
        return addend(queries, self.rows, masks, self.limits, len(request.contributors))

    def _require_known(self, request: Request) -> None:
        asked = request.contributors
        known = self.name in asked and set(asked) <= set(self.public_keys)
        if not known or len(asked) < self.limits.contributors:
            raise RefusedError(Refusal.CONTRIBUTORS)

    def _masks(self, request: Request, queries: list[Query]) -> Words:
        size = request.length(queries)
        if request.mode is Mode.CLEAR:
            return np.zeros(size, dtype=np.uint64)
        contributors = {name: self.public_keys[name] for name in request.contributors}
        return mask(self.key, self.name, contributors, request.hash.encode(), size)


def holdings(rows: Mapping[str, Rows], limits: Limits = LIMITS) -> dict[str, Holding]:
    """A holding for each hospital, each with a new key and the public keys of all."""
    keys = {name: MaskKey.generate() for name in rows}
    public = {name: key.public for name, key in keys.items()}
    return {name: Holding(name, held, limits, keys[name], public) for name, held in rows.items()}
