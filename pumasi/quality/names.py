"""Names of checks in a hospital's files: one that no check has is answered with those near it."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def no_such_check(check: str, names: Collection[str]) -> str:
    """Say that the build has no check of that name, and which of `names` come near it."""
    table = check.partition(".")[0]
    near = get_close_matches(check, names, n=3, cutoff=0.6)
    near = near or sorted(name for name in names if name.startswith(f"{table}."))
    hint = f"near it: {', '.join(near)}" if near else f"no check of a table named '{table}' ran"
    return f"this build has no such check; {hint}"
