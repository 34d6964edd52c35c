"""How an address is shown: without user, password, and what is asked of it.

An address of a database or a store may carry a password before the `@`, or a key behind the `?`.
Whatever is printed, logged or raised shows it through `shown`.
"""

from __future__ import annotations

import re


def shown(url: str) -> str:
    """The address without what stands before its last `@` and behind its `?`; a path as it is.

    The last `@`, because a password may hold one that nobody has escaped.
    """
    if "://" not in url:
        return url
    return re.sub(r"(?<=://).*@", "", url).partition("?")[0]
