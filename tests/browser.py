"""A Dagster UI on loopback and a browser to look at it with, for tests and for pictures.

`python -m tests.browser FOLDER` takes the pictures of the documents from the hospitals that the
demo built (PUMASI_HOME).
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from orchestration.flower.programs import unused_port
from pumasi.config import project_root
from pumasi.config.environment import program_environment
from pumasi.config.workspace import workspace_file

START_SECONDS = 240
# Without these, chromium asks for hosts that a closed network does not have.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@contextmanager
def dagster_ui(log: Path) -> Iterator[str]:
    """Address of a Dagster web server over the network in use; the server is ended by its pid."""
    port = unused_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    command = [program, "-w", str(workspace_file()), "-h", "127.0.0.1", "-p", str(port)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            env=program_environment(),
            cwd=project_root(),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _await(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(90)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the web server ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError(f"no web server after {START_SECONDS} s: {log.read_text()[-2000:]}")


@contextmanager
def browser_page(
    chromium: Path, width: int = 1500, height: int = 900, scale: float = 1
) -> Iterator[Page]:
    """A page of a headless chromium; `scale` is pixels of a picture per pixel of the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        try:
            yield browser.new_page(
                viewport={"width": width, "height": height}, device_scale_factor=scale
            )
        finally:
            browser.close()


def take_pictures(folder: Path, chromium: Path = Path("/usr/bin/chromium")) -> None:
    """Write locations.png, asset-graph.png, lineage.png and checks.png below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        dagster_ui(folder / "server.log") as address,
        browser_page(chromium, 2000, 640, scale=1.5) as page,
    ):
        page.goto(f"{address}/locations")
        page.get_by_text("hub", exact=True).first.wait_for()
        page.get_by_text("Hide navigation").click()
        page.wait_for_timeout(2000)
        page.screenshot(path=folder / "locations.png")
        page.goto(f"{address}/asset-groups")
        page.get_by_text("training", exact=True).first.wait_for()
        page.wait_for_timeout(4000)
        area = {"x": 375, "y": 155, "width": 1580, "height": 300}
        page.screenshot(path=folder / "asset-graph.png", clip=area)
        page.set_viewport_size({"width": 1500, "height": 620})
        model = f"{address}/assets/haneul/models/asthma_exacerbation"
        page.goto(f"{model}?view=lineage&lineageScope=upstream&lineageDepth=2")
        page.get_by_text("candidate").first.wait_for()
        page.wait_for_timeout(9000)
        page.screenshot(path=folder / "lineage.png")
        page.set_viewport_size({"width": 1380, "height": 700})
        page.goto(f"{address}/assets/haneul/omop/condition_occurrence?view=checks")
        page.get_by_text("Latest execution").first.wait_for()
        page.wait_for_timeout(2000)
        page.screenshot(path=folder / "checks.png")
    (folder / "server.log").unlink()


if __name__ == "__main__":
    os.environ.setdefault("PUMASI_HOME", str(project_root() / "var"))
    take_pictures(Path(sys.argv[1]))
