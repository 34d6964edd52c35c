"""Masks that hide every addend and cancel in the sum.

Each pair of hospitals shares a secret (X25519), from which both derive the same stream of words for
one exchange (HKDF-SHA-256, ChaCha20); one adds it, the other subtracts it. Who lacks the secrets of
a hospital sees uniform words; the sum of all is the sum of the addends, exactly. This is the
pairwise masking of Bonawitz et al., CCS 2017, without its recovery from drop-outs: if one hospital
does not answer, there is no sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pumasi.atomic import write_text
from pumasi.federation.fixed_point import Words

KEY_BYTES = 32


@dataclass(frozen=True)
class MaskKey:
    """A hospital's own key; only its public part travels."""

    private: X25519PrivateKey

    @classmethod
    def generate(cls) -> MaskKey:
        """A new key from the system's random numbers."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def load(cls, file: Path) -> MaskKey:
        """The key in the file, mode 0600, which is made if there is none."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            secret = X25519PrivateKey.generate().private_bytes_raw()
            write_text(file, secret.hex() + "\n", mode=0o600)
        return cls(X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text().strip())))

    @property
    def public(self) -> bytes:
        """The public part, 32 bytes."""
        return self.private.public_key().public_bytes_raw()


def mask(
    key: MaskKey, own: str, public_keys: Mapping[str, bytes], about: bytes, size: int
) -> Words:
    """The words that hospital `own` adds to its entries, shape (size,).

    Args:
        key: the key of `own`.
        own: its name.
        public_keys: of all who contribute, by name, `own` among them.
        about: what binds the mask: run, exchange, queries and list of contributors. The same bytes
            must never be used for two different answers, whose difference would then be seen.
        size: number of entries.
    """
    words = np.zeros(size, dtype=np.uint64)
    for name, public in sorted(public_keys.items()):
        if name != own:
            stream = _stream(key, public, about, size)
            words = words + stream if own < name else words - stream
    return words


def _stream(key: MaskKey, public: bytes, about: bytes, size: int) -> Words:
    secret = key.private.exchange(X25519PublicKey.from_public_bytes(public))
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"pumasi mask 1\0" + about).derive(secret)
    # The key is used for this one stream: block counter and nonce begin at zero.
    encryptor = Cipher(ChaCha20(derived, bytes(16)), mode=None).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * size)), dtype="<u8").astype(np.uint64)
