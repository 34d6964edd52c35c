"""How a hospital enrols: it makes its own keys, hands over a card, and keeps the list it gets.

Private keys are made here and stay. The list is taken if the hub signed it with the key that was
kept at the first time, if it is no older edition, names this hospital's own keys, and has every
hospital that was known with the keys that were known.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pumasi.atomic import write_text
from pumasi.config.paths import SitePaths
from pumasi.errors import EnrolmentError
from pumasi.federation.masks import MaskKey
from pumasi.federation.peers import Peer, Peers, require_same

NODE_KEY, CERTIFICATE = "node.key", "hub.crt"


def make_card(paths: SitePaths) -> Peer:
    """The hospital's card; its keys are made if it has none."""
    if not paths.card.exists():
        mask_key = MaskKey.load(paths.mask_key).public.hex()
        card = Peer(name=paths.root.name, mask_key=mask_key, node_key=_make_node_key(paths))
        write_text(paths.card, card.to_text())
    return Peer.from_file(paths.card)


def _make_node_key(paths: SitePaths) -> str:
    """Write a new key of the Flower node (NIST P-384) and return its public part."""
    key = ec.generate_private_key(ec.SECP384R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_text(paths.relay / NODE_KEY, secret.decode(), mode=0o600)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def accept_peers(paths: SitePaths, text: str, hub_key: bytes | None = None) -> Peers:
    """Keep a list that the hub signed, and the hub's key if none is kept yet.

    Args:
        paths: of the hospital.
        text: the signed list.
        hub_key: the hub's public key, as learned otherwise than with the list; needed once.

    Raises:
        EnrolmentError: something is not as it was agreed; nothing is changed then.
    """
    key = _hub_key(paths, hub_key)
    peers = Peers.verified(text, key)
    own = make_card(paths)
    if own not in peers.hospitals:
        raise EnrolmentError(
            f"the list has not {own.name} with the keys that are here: hand the hub "
            f"{paths.card.name} of this hospital"
        )
    if paths.peers.exists():
        _require_successor(read_peers(paths), peers, paths)
    write_text(paths.hub_key, key.hex() + "\n")
    write_text(paths.relay / CERTIFICATE, peers.certificate)
    write_text(paths.peers, text)
    return peers


def read_peers(paths: SitePaths) -> Peers:
    """The list that the hospital keeps.

    Raises:
        EnrolmentError: there is none, or the hub whose key is kept has not signed it.
    """
    if not paths.peers.exists() or not paths.hub_key.exists():
        raise EnrolmentError(
            f"{paths.root.name} is not enrolled: `pumasi network enrol` says what it takes"
        )
    return Peers.verified(paths.peers.read_text(), _pinned(paths.hub_key))


def _hub_key(paths: SitePaths, given: bytes | None) -> bytes:
    pinned = _pinned(paths.hub_key) if paths.hub_key.exists() else None
    if pinned is None and given is None:
        raise EnrolmentError("the first time, the hub's public key is needed: --hub-key")
    if pinned is not None and given is not None and pinned != given:
        raise EnrolmentError("this is not the hub's key that was kept at the first enrolment")
    return pinned or given or b""


def _pinned(file: Path) -> bytes:
    return bytes.fromhex(file.read_text().strip())


def _require_successor(kept: Peers, new: Peers, paths: SitePaths) -> None:
    if new.edition < kept.edition:
        raise EnrolmentError(
            f"edition {kept.edition} of the list is here, this is {new.edition}: ask the hub for "
            "the present one"
        )
    known = {each.name: each for each in kept.hospitals}
    for each in new.hospitals:
        require_same(known.get(each.name), each)
    # Who may leave the list may come back with other keys.
    if gone := sorted(set(known) - {each.name for each in new.hospitals}):
        raise EnrolmentError(
            f"{', '.join(gone)} is no longer in the list: a hospital that is known stays in it. If "
            f"it left the network for good, ask it, and remove {paths.peers.name} before you take "
            "the new list; compare the fingerprint with the others then"
        )
    if new.edition == kept.edition and new != kept:
        raise EnrolmentError(
            f"edition {kept.edition} is here with another content: the hub gives every edition a "
            "number of its own"
        )
