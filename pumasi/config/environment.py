"""The environment of every program that Pumasi starts: no telemetry, an absolute home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pumasi.config.paths import home_folder, network_folder

# One line per dependency that would otherwise report home.
NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "FLWR_TELEMETRY_ENABLED": "0",
    "GX_ANALYTICS_ENABLED": "false",
}


def program_environment() -> dict[str, str]:
    """Return the environment for a child process.

    It is the current one, without telemetry, with absolute PUMASI_HOME and PUMASI_NETWORK, with
    DAGSTER_HOME inside the home, and with the virtual environment's programs (dbt) on PATH.
    """
    home = home_folder()
    return {
        **os.environ,
        **NO_TELEMETRY,
        "PUMASI_HOME": str(home),
        "PUMASI_NETWORK": str(network_folder()),
        "DAGSTER_HOME": str(home / "dagster"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
