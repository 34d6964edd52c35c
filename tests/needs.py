"""What a test does when something that it needs is not on this machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip, saying what would help; under CI=true everything must be there, so fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (under CI=true this is not skipped)")
    pytest.skip(reason)
