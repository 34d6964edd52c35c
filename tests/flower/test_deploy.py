"""Units and compose files name commands, options and files that exist, and keep the border."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from pumasi.cli import app
from pumasi.config import project_root

DEPLOY = project_root() / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
SERVICES: dict[str, Any] = {
    f"{file.stem}.{name}": service
    for file in COMPOSE
    for name, service in yaml.safe_load(file.read_text())["services"].items()
}


def commands() -> dict[str, str]:
    """Every command that a unit or a service runs, on one line."""
    found = {}
    for unit in UNITS:
        text = unit.read_text().replace("\\\n", " ")
        for number, line in enumerate(re.findall(r"^ExecStart(?:Post)?=(.+)$", text, re.M)):
            found[f"{unit.name} {number}"] = re.sub(r"^/opt/pumasi/\S+/", "", line)
    return found | {name: " ".join(service["command"]) for name, service in SERVICES.items()}


@pytest.mark.parametrize("program", ["flower-superlink", "flower-supernode"])
def test_every_option_of_flower_s_programs_exists(program: str) -> None:
    asked = [text for text in commands().values() if text.startswith(program)]
    assert len(asked) == 2
    known = subprocess.run(
        [Path(sys.executable).parent / program, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = {option for text in asked for option in re.findall(r"(?<!\S)--[a-z-]+", text)}
    assert len(options) >= 4
    assert {option for option in options if option not in known} == set()


def test_every_command_of_ours_exists_with_its_options() -> None:
    root = typer.main.get_command(app)
    asked = [text for text in commands().values() if text.startswith("pumasi ")]
    assert len(asked) == 3
    for text in asked:
        _, group, name, *rest = text.split()
        command = root.commands[group].commands[name]  # type: ignore[attr-defined]
        known = {option for each in command.params for option in each.opts}
        assert {part for part in rest if part.startswith("--")} <= known


def test_the_relay_has_the_network_and_another_user_and_the_answering_process_neither() -> None:
    answer, relay = SERVICES["hospital.answer"], SERVICES["hospital.relay"]
    assert answer["network_mode"] == "none"
    assert answer["user"] != relay["user"]
    assert [volume for volume in relay["volumes"] if volume.startswith("home:")] == []
    assert "ports" not in relay
    # What holds both volumes, to hand the relay its key, reaches nobody and does not run by itself.
    hand_over = SERVICES["hospital.hand-over"]
    assert (hand_over["network_mode"], hand_over["profiles"]) == ("none", ["enrol"])
    units = {unit.name: unit.read_text() for unit in UNITS}
    assert "PrivateNetwork=yes" in units["pumasi-answer@.service"]
    assert "User=pumasi\n" in units["pumasi-answer@.service"]
    assert "User=pumasi-relay\n" in units["pumasi-relay@.service"]
    assert "InaccessiblePaths=/var/lib/pumasi " in units["pumasi-relay@.service"]


def test_orders_to_the_hub_are_taken_from_its_own_machine_only() -> None:
    for name, text in commands().items():
        if text.startswith("flower-superlink"):
            addresses = re.findall(r"--(\w+)-api-address[= ](\S+)", text)
            assert dict(addresses).keys() == {"fleet", "control", "serverappio"}, name
            open_to_all = [api for api, address in addresses if not address.startswith("127.")]
            assert open_to_all == ["fleet"]
            assert "--enable-supernode-auth" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_the_units_are_understood_by_systemd(tmp_path: Path) -> None:
    for unit in UNITS:
        named = tmp_path / unit.name.replace("@.", "@bada.")
        # The programs and the users are not on this machine.
        named.write_text(unit.read_text().replace("/opt/pumasi/.venv/bin/", "/bin/"))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(named)],
            capture_output=True,
            text=True,
            check=False,
        )
        said = [
            line
            for line in done.stderr.splitlines()
            if named.name in line and "is not executable" not in line
        ]
        assert said == []
