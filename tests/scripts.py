"""Python programs of the tests that end before their end: killed, or on a full disk."""

from __future__ import annotations

import subprocess
import sys

from pumasi.config import project_root


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `script` in a process of its own, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
