"""Messages on a socket: four bytes of length, big-endian, and as many bytes.

The hospital's own process has the same few lines (`pumasi.answer.frames`): the relay is shipped by
the hub and shares no code with what it talks to.
"""

from __future__ import annotations

import socket
import struct
import time

# Bytes of a message. The widest request of the estimators is some hundred kilobytes.
LIMIT = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """The other side sent too much, or stopped in the middle of a message."""


def write_frame(stream: socket.socket, message: bytes, seconds: float | None = None) -> None:
    """Write one message. Raises OSError (TimeoutError) when the other side takes none."""
    if len(message) > LIMIT:
        raise FrameError(f"a message of more than {LIMIT} bytes")
    stream.settimeout(seconds)
    stream.sendall(_LENGTH.pack(len(message)) + message)


def read_frame(stream: socket.socket, seconds: float | None = None) -> bytes | None:
    """Read one message, all of it within so many seconds; None if the other side has closed.

    Raises:
        FrameError: it is longer than the limit, or cut off.
        OSError: nothing came in time (TimeoutError), or the connection broke.
    """
    end = None if seconds is None else time.monotonic() + seconds
    length = _read(stream, _LENGTH.size, end)
    if not length:
        return None
    size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else LIMIT + 1
    if size > LIMIT:
        raise FrameError("what came is no message, or too long a one")
    message = _read(stream, size, end)
    if len(message) != size:
        raise FrameError("a message was cut off")
    return message


def _read(stream: socket.socket, size: int, end: float | None) -> bytes:
    """As many bytes, fewer where the other side closed."""
    parts, missing = [], size
    while missing:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("a message did not come in time")
        stream.settimeout(left)
        part = stream.recv(min(missing, 1 << 20))
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
