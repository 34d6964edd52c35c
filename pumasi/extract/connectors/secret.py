"""A password or token, from a variable of the environment or from a file that only its owner reads.

It is read when it is used, is held by nobody longer, and stands in no message.
"""

import os
import stat
from pathlib import Path

from pumasi.errors import ConfigError


def secret(place: str, variable: str | None, file: str | None) -> str | None:
    """The secret, None if neither a variable nor a file is named.

    Raises:
        ConfigError: the variable is not set, the file is not there, empty, or can be read by
            others.
    """
    if variable:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ConfigError(
                f"{place}: the variable {variable} is not set; set it, without writing it into "
                "a file of the repository"
            )
        return value
    return _from_file(place, Path(file)) if file else None


def _from_file(place: str, path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{place}: {path} can't be read ({type(error).__name__}); is it there, a text, and "
            "this user's?"
        ) from None
    if mode & 0o077:
        raise ConfigError(
            f"{place}: {path} can be read by others; `chmod 600` it, and change what it holds"
        )
    if not value:
        raise ConfigError(f"{place}: {path} is empty; write the password or token into it")
    return value
