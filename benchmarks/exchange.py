"""Seconds of an exchange over Flower and where they go: `python -m benchmarks.exchange`.

Four tiny hospitals on this machine answer a small question a number of times. When each began to
answer and when its reply was written stand in its own audit log; what is before is the way there,
what is after the way back.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import mean

from orchestration.flower.one_machine import PROCESS, down, enrol_here, memory, up
from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import read_programs, unused_port
from orchestration.flower.transport import FlowerTransport
from pumasi.config import load_hub
from pumasi.federation.queries import Moments
from pumasi.federation.rows import Design
from tests.flower.hospitals import NAMES, Hospitals, run_over


def main() -> None:
    """Print a table of seconds, and the memory of Flower's programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=16)
    count = parser.parse_args().exchanges
    with tempfile.TemporaryDirectory(prefix="pumasi-bench-") as folder:
        home, network = Path(folder) / "home", Path(folder) / "network"
        home.mkdir(mode=0o700)
        os.environ |= {"PUMASI_HOME": str(home), "PUMASI_NETWORK": str(network)}
        port = unused_port()
        hospitals, places = Hospitals(home, network, port), HubPlaces.of_home()
        config = load_hub()
        assert config is not None  # noqa: S101 - the hospitals wrote hub.toml
        enrol_here(places, config, NAMES)
        began = time.time()
        up(places, config, NAMES, lambda _: None)
        try:
            print(
                f"load average {os.getloadavg()[0]:.1f}; network up in {time.time() - began:.0f} s"
            )
            _measure(hospitals, places, count)
        finally:
            down(places)


def _measure(hospitals: Hospitals, places: HubPlaces, count: int) -> None:
    began = time.time()
    rows, most = [], 0
    with FlowerTransport(places) as transport:
        opened = time.time()
        run = run_over(transport)
        for _ in range(count):
            sent = time.time()
            run.total([Moments(design=Design(terms=("age_at_index",)))])
            rows.append((sent, time.time()))
            programs = read_programs(places.programs)
            most = max(most, memory([p for p in programs if not p.name.startswith(PROCESS)]))
    whole = time.time() - began
    times = {name: _times(hospitals, name) for name in NAMES}
    last = [max(times[name][i][1] for name in NAMES) for i in range(count)]
    first = [max(times[name][i][0] for name in NAMES) for i in range(count)]
    print(f"{count} exchanges: {whole:.0f} s, of which the run begins in {opened - began:.1f} s")
    print("| part of an exchange, seconds | mean | most |")
    print("| --- | --: | --: |")
    _row("the whole", [end - sent for sent, end in rows])
    _row(
        "until the last hospital begins to answer",
        [b - s for (s, _), b in zip(rows, first, strict=True)],
    )
    inside = [b - a for name in NAMES for a, b in times[name][:count]]
    _row("inside a hospital, release opened and log written", inside)
    _row(
        "from the last reply written until the hub has all",
        [e - b for (_, e), b in zip(rows, last, strict=True)],
    )
    print(f"SuperLink and {len(NAMES)} nodes with their children: {most / 1e6:,.0f} MB (PSS)")


def _row(name: str, seconds: list[float]) -> None:
    print(f"| {name} | {mean(seconds):.1f} | {max(seconds):.1f} |")


def _times(hospitals: Hospitals, name: str) -> list[tuple[float, float]]:
    """When the hospital began to answer and had written its reply, by exchange."""
    lines = hospitals.log(name)
    at = {
        event: [
            datetime.fromisoformat(str(e["time"])).timestamp() for e in lines if e["event"] == event
        ]
        for event in ("intended", "sent")
    }
    return list(zip(at["intended"], at["sent"], strict=True))


if __name__ == "__main__":
    main()
