"""Signed lists of hospitals as a hub makes them."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pumasi.federation.peers import Peer, Peers


def signed_list(
    cards: Sequence[Peer], key: Ed25519PrivateKey | None = None, edition: int = 1
) -> tuple[str, bytes]:
    """The list and the public key of the hub that signed it."""
    key = key or Ed25519PrivateKey.generate()
    hospitals = tuple(sorted(cards, key=lambda card: card.name))
    peers = Peers(
        edition=edition, hospitals=hospitals, superlink="127.0.0.1:9092", certificate="PEM"
    )
    return peers.signed(key), key.public_key().public_bytes_raw()
