"""Who is in a network: the public keys of every hospital, in a list that the hub signs.

A card is what one hospital tells of itself. The list numbers its editions; a hospital that joins
changes nobody's key. Whoever signs the list could name keys of its own as other hospitals' and open
what they mask: so a hospital keeps the keys that it has seen (`pumasi.answer.enrolment`), and
hospitals compare the list's fingerprint with each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pumasi.errors import EnrolmentError
from pumasi.federation.query import canonical

_Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Peer(BaseModel):
    """The public parts of one hospital's keys.

    Args:
        name: of the hospital.
        mask_key: X25519, 32 bytes in hexadecimal.
        node_key: of its Flower node, as OpenSSH writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    mask_key: _Hex32
    node_key: str

    def to_text(self) -> str:
        """The card, as it is handed over."""
        return json.dumps(self.model_dump(), indent=1) + "\n"

    @classmethod
    def from_file(cls, file: Path) -> Peer:
        """The card in the file.

        Raises:
            EnrolmentError: there is none.
        """
        try:
            return cls.model_validate_json(file.read_text())
        except (OSError, ValidationError, UnicodeDecodeError):
            raise EnrolmentError(
                f"{file} is no card of a hospital: `pumasi network enrol --site` makes one there"
            ) from None


class Peers(BaseModel):
    """An edition of the list.

    Args:
        edition: numbered from 1.
        hospitals: sorted by name.
        superlink: host and port where nodes find the hub.
        certificate: of the hub's authority, in PEM: what nodes hold the hub to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edition: Annotated[int, Field(ge=0)]
    hospitals: tuple[Peer, ...]
    superlink: str
    certificate: str

    @property
    def public_keys(self) -> dict[str, bytes]:
        """The public mask keys, by hospital."""
        return {each.name: bytes.fromhex(each.mask_key) for each in self.hospitals}

    @property
    def fingerprint(self) -> str:
        """What hospitals compare by telephone: 128 bits over all names and mask keys."""
        text = canonical([[each.name, each.mask_key] for each in self.hospitals])
        digest = sha256(b"pumasi peers 1\0" + text).hexdigest()[:32]
        return " ".join(digest[start : start + 4] for start in range(0, 32, 4))

    def with_hospitals(self, cards: Iterable[Peer]) -> Peers:
        """The next edition, with these hospitals added; the same one if all are in it.

        Raises:
            EnrolmentError: one is in it with other keys.
        """
        known = {each.name: each for each in self.hospitals}
        for card in cards:
            require_same(known.get(card.name), card)
            known[card.name] = card
        hospitals = tuple(known[name] for name in sorted(known))
        if hospitals == self.hospitals:
            return self
        return self.model_copy(update={"edition": self.edition + 1, "hospitals": hospitals})

    def signed(self, key: Ed25519PrivateKey) -> str:
        """The list and its signature, as it is handed over."""
        text = self.model_dump(mode="json")
        return json.dumps({"peers": text, "signature": key.sign(canonical(text)).hex()}) + "\n"

    @classmethod
    def verified(cls, text: str, hub_key: bytes) -> Peers:
        """The list that the hub of this key signed.

        Raises:
            EnrolmentError: it did not.
        """
        try:
            said: Mapping[str, object] = json.loads(text)
            public = Ed25519PublicKey.from_public_bytes(hub_key)
            public.verify(bytes.fromhex(str(said["signature"])), canonical(said["peers"]))
            return cls.model_validate_json(json.dumps(said["peers"]))
        except (ValueError, KeyError, TypeError, InvalidSignature):
            raise EnrolmentError(
                "the list of hospitals is not signed with the hub's key that is known here: ask "
                "the hub for its list, and by another way for its key"
            ) from None


def require_same(known: Peer | None, new: Peer) -> None:
    """Raise EnrolmentError if a hospital that is known comes with another key."""
    if known is not None and known != new:
        raise EnrolmentError(
            f"{new.name} is known with other keys: nobody's keys change by themselves. Ask that "
            "hospital; if it made new ones, take it out of the list that is here first"
        )
