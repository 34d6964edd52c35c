"""A hospital's own process: answers on a Unix socket, one request at a time.

The relay on the other side is code of the hub's under another OS user. All that it can do is to
send bytes and to get a reply: the socket is the border, and the rules are `Hospital`'s.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pumasi.answer.frames import read_frame, write_frame
from pumasi.answer.hospital import Hospital
from pumasi.errors import ConfigError, FrameError

# Of the file system: the relay's user is in the group of the folder, and nobody else.
FOLDER_MODE, SOCKET_MODE = 0o750, 0o660
# Seconds that a relay has to send its request and to take the reply: it sits on the same machine.
PATIENCE = 20.0
# Seconds between two looks whether to end.
LOOK = 0.3
# Bytes that the system has for the path of a Unix socket.
_PATH_BYTES = 107

Say = Callable[[str], None]


class Ending:
    """Whether the process is to end: a signal's handler asks for it, the loop looks."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, *_: object) -> None:
        """Ask to end after the request that is being answered."""
        self.asked = True


def serve(hospital: Hospital, path: Path, ending: Ending, say: Say) -> None:
    """Answer requests on the socket until asked to end; it is removed then.

    What is said holds counts and codes only.

    Raises:
        ConfigError: another process answers there, or the path can't be a socket's.
    """
    answered = failed = 0
    with _listening(path) as listener:
        say(f"{hospital.name}: answering")
        while not ending.asked:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                if _answer_one(hospital, connection, say):
                    answered += 1
                else:
                    failed += 1
    say(f"{hospital.name}: ended after {answered} replies, {failed} connections without one")


def require_private(home: Path) -> None:
    """Refuse a folder that another user of the machine may enter, the relay's among them.

    Raises:
        ConfigError: its mode lets others in.
    """
    if stat.S_IMODE(home.stat().st_mode) & 0o077:
        raise ConfigError(
            f"{home} can be entered by other users, and the relay is one of them: chmod 700 {home}"
        )


def _answer_one(hospital: Hospital, connection: socket.socket, say: Say) -> bool:
    """Whether the other side took a reply. Whatever one connection does, the next is answered."""
    try:
        request = read_frame(connection, PATIENCE)
        hospital.answer(request, lambda reply: write_frame(connection, reply, PATIENCE))
    except (OSError, FrameError) as error:
        say(f"{hospital.name}: a connection broke ({type(error).__name__})")
        return False
    except Exception as error:  # the process must outlive a fault, and no fault's text may leave
        say(f"{hospital.name}: a request was not answered ({type(error).__name__})")
        return False
    return True


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path = path.absolute()
    making = path.with_name(f".{path.name}")
    if len(os.fsencode(making)) > _PATH_BYTES:
        raise ConfigError(
            f"{path} is too long for a Unix socket ({_PATH_BYTES} bytes): name a shorter one with "
            "--socket"
        )
    _make_folder(path.parent)
    _remove_left(path)
    with socket.socket(socket.AF_UNIX) as listener:
        # Under its name only when it can be connected to, by whom it is for and nobody else.
        making.unlink(missing_ok=True)
        listener.bind(str(making))
        os.chown(making, -1, making.parent.stat().st_gid)
        making.chmod(SOCKET_MODE)
        listener.listen()
        making.rename(path)
        listener.settimeout(LOOK)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """A folder that is there keeps its group, which is the relay's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if stat.S_IMODE(folder.stat().st_mode) != FOLDER_MODE:
        try:
            folder.chmod(FOLDER_MODE)
        except PermissionError:
            raise ConfigError(
                f"{folder} is not of this user, or of mode {FOLDER_MODE:o}: others could put a "
                "socket in its place"
            ) from None


def _remove_left(path: Path) -> None:
    """Remove the socket of a process that was killed; a living one is left alone."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"{path} is there and no socket: name another with --socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(LOOK)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError as error:
            raise ConfigError(f"{path} is in use ({type(error).__name__})") from None
    raise ConfigError(f"a process answers on {path} already")
