"""Messages on a socket: four bytes of length, big-endian, and as many bytes.

The relay that Flower ships has lines of its own for it: a hospital runs none of the hub's code in
the process that opens releases.
"""

from __future__ import annotations

import socket
import struct
import time

from pumasi.errors import FrameError

# Bytes of a message. The widest request of the estimators is some hundred kilobytes.
LIMIT = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


def write_frame(stream: socket.socket, message: bytes, seconds: float) -> None:
    """Write one message. Raises OSError (TimeoutError) when the other side takes none."""
    stream.settimeout(seconds)
    stream.sendall(_LENGTH.pack(len(message)) + message)


def read_frame(stream: socket.socket, seconds: float) -> bytes:
    """Read one message, all of it within so many seconds.

    Raises:
        FrameError: it is longer than the limit, or cut off.
        OSError: nothing came in time (TimeoutError), or the connection broke.
    """
    end = time.monotonic() + seconds
    (size,) = _LENGTH.unpack(_read(stream, _LENGTH.size, end))
    if size > LIMIT:
        raise FrameError(f"a message of {size} bytes is announced, the most are {LIMIT}")
    return _read(stream, size, end)


def _read(stream: socket.socket, size: int, end: float) -> bytes:
    parts, missing = [], size
    while missing:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("a message did not come in time")
        stream.settimeout(left)
        part = stream.recv(min(missing, 1 << 20))
        if not part:
            raise FrameError("a message was cut off")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
