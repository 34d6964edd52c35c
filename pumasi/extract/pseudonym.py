"""Keyed hashes in place of identifiers.

HMAC-SHA-256 (RFC 2104) of `<domain>:<identifier>` under the hospital's key, reduced to 63 bits so
that the result is a non-negative bigint. The key reaches DuckDB as a bound parameter; it stands in
no SQL text, no log and no error.
"""

import secrets
import stat
from pathlib import Path

import duckdb

from pumasi.atomic import write_text
from pumasi.errors import PseudonymisationError

KEY_BYTES = 32
BLOCK_BYTES = 64  # of SHA-256


def load_or_create_key(path: Path, *, create: bool) -> bytes:
    """The hospital's key; made with mode 0600 if it is not there and `create` allows it.

    Raises:
        PseudonymisationError: there is no key and none may be made, or others can read it, or it
            is no key.
    """
    if not path.exists():
        if not create:
            raise PseudonymisationError(
                f"the key {path.name} is gone although this hospital has read deliveries; restore "
                "it from the safe copy: with a new key nobody would be the same person again"
            )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(path, secrets.token_hex(KEY_BYTES), mode=0o600)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PseudonymisationError(
            f"the key {path.name} can be read by others; `chmod 600` it, and consider it known"
        )
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (UnicodeDecodeError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise PseudonymisationError(
            f"the key {path.name} is not {2 * KEY_BYTES} hexadecimal digits; restore it from the "
            "safe copy"
        )
    return key


def register(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Define the SQL macro `pseudonym(domain, identifier) -> bigint` on this connection."""
    block = key.ljust(BLOCK_BYTES, b"\0")
    inner = bytes(byte ^ 0x36 for byte in block)
    outer = bytes(byte ^ 0x5C for byte in block)
    connection.execute("set variable hmac_inner = $1", [inner])
    connection.execute("set variable hmac_outer = $1", [outer])
    connection.execute(
        """
        create or replace temp macro pseudonym(domain, identifier) as
            ((
                '0x' || left(sha256(getvariable('hmac_outer') || unhex(sha256(
                    getvariable('hmac_inner') || encode(domain || ':' || identifier)
                ))), 16)
            )::ubigint >> 1)::bigint
        """
    )
