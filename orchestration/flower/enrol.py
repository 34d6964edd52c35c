"""The hub's part of enrolment: certificates, the key that signs, and the list of hospitals.

The hub gets cards, which hold public keys alone. A hospital more is one edition more of the list;
no key and no certificate of anybody changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestration.flower.certificates import make_certificates
from orchestration.flower.places import HubPlaces
from pumasi.atomic import write_text
from pumasi.config import HubConfig
from pumasi.errors import EnrolmentError
from pumasi.federation.peers import Peer, Peers


def add_hospitals(places: HubPlaces, config: HubConfig, cards: Sequence[Peer]) -> Peers:
    """Add hospitals to the hub's list and sign it; what else the hub needs is made first.

    Raises:
        EnrolmentError: a hospital is in the list with other keys; the list stays as it was.
    """
    places.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_certificates(places, config.host)
    key = _hub_key(places)
    known = load_peers(places) if places.peers.exists() else None
    address = f"{config.host}:{config.port}"
    peers = known or Peers(
        edition=0,
        hospitals=(),
        superlink=address,
        certificate=places.authority.read_text(),
    )
    if peers.superlink != address:
        peers = peers.model_copy(update={"superlink": address, "edition": peers.edition + 1})
    peers = peers.with_hospitals(cards)
    if peers != known:
        write_text(places.peers, peers.signed(key))
    return peers


def load_peers(places: HubPlaces) -> Peers:
    """The hub's list.

    Raises:
        EnrolmentError: there is none yet.
    """
    if not places.peers.exists():
        raise EnrolmentError("no hospital is enrolled: `pumasi network enrol` says what it takes")
    return Peers.verified(places.peers.read_text(), hub_public_key(places))


def hub_public_key(places: HubPlaces) -> bytes:
    """The public part of the hub's key: hospitals get it by another way than the list."""
    return _hub_key(places).public_key().public_bytes_raw()


def _hub_key(places: HubPlaces) -> Ed25519PrivateKey:
    if not places.hub_key.exists():
        secret = Ed25519PrivateKey.generate().private_bytes_raw()
        write_text(places.hub_key, secret.hex() + "\n", mode=0o600)
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(places.hub_key.read_text().strip()))
