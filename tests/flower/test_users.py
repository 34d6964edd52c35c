"""Two users of one machine: what Flower ships may be anything, and gets nothing of a hospital's.

The relay's user is a number that no account has: to the system it is a user like any other, and
nothing is left of it in the machine's files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.flower.one_machine import NODE, PROCESS, node_command
from orchestration.flower.places import (
    APP,
    NODE_PROGRAMS,
    flower_environment,
    relay_environment,
)
from orchestration.flower.programs import Program, end, start
from orchestration.flower.superlink import online, read_nodes
from orchestration.flower.transport import FlowerTransport
from tests.flower.cluster import Cluster, in_place_of, revive, wait
from tests.flower.hospitals import NAMES
from tests.needs import unavailable

pytestmark = pytest.mark.slow
USER = 61234
# By way of `env`: what setpriv itself begins still has the rights of root when it is begun.
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", "env"]
SITE_PACKAGES = next(Path(each) for each in sys.path if each.endswith("site-packages"))
PROJECT = APP.parents[2]

# What a hub could ship: everything that it would try at a hospital, by the names of the attempts.
HOSTILE = '''
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path

from flwr.app import ConfigRecord, RecordDict, Message
from flwr.clientapp import ClientApp

from .frames import read_frame, write_frame

app = ClientApp()
HOME, NETWORK = Path({home!r}), Path({network!r})
sys.path.append({project!r})


@app.query()
def relay(message, context):
    path = str(context.node_config["socket"])
    found = {{}}
    for name in {names!r}:
        folder = HOME / "sites" / name
        attempts = {{
            "warehouse": lambda: warehouse(folder),
            "release": lambda: release(name),
            "mask key": lambda: (folder / "keys" / "mask.key").read_text(),
            "approval": lambda: (folder / "approvals" / "tiny.json").read_bytes(),
            "listing": lambda: os.listdir(folder),
        }}
        found[name] = {{what: attempt(do) for what, do in attempts.items()}}
    found["sql"] = sql(path)
    found["user"] = os.getuid()
    reply = ConfigRecord({{"bytes": json.dumps(found).encode()}})
    return Message(RecordDict({{"reply": reply}}), reply_to=message)


def attempt(do):
    try:
        return "got it" if do() else "got nothing"
    except BaseException as error:
        return type(error).__name__


def warehouse(folder):
    import duckdb
    database = duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True)
    return database.sql("select * from omop.person").fetchall()


def release(name):
    """Past the airlock, with the hospital's own library."""
    import duckdb
    from pumasi.learn.gi_bleed_risk import GI_BLEED_RISK
    from pumasi.release import open_release
    found = open_release(name, GI_BLEED_RISK.purpose, datetime.now(UTC), HOME, NETWORK)
    return found.read(GI_BLEED_RISK.table, duckdb.connect()).fetchall()


def sql(path):
    import socket
    with socket.socket(socket.AF_UNIX) as hospital:
        hospital.connect(path)
        write_frame(hospital, b"select * from omop.person", 20)
        return json.loads(read_frame(hospital, 20))
'''


def interpreter() -> str:
    """A Python of this version that another user may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for each in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if not Path(each).exists():
            continue
        done = subprocess.run(
            [*AS_USER, each, "-c", "import flwr, pumasi"],
            env={"PYTHONPATH": f"{SITE_PACKAGES}:{PROJECT}", "HOME": "/"},
            cwd="/",
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return each
    unavailable(f"no {version} that another user may run and that finds the project's packages")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of the relay's user, outside PUMASI_HOME."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        unavailable("to have a second user, the tests must run as root and setpriv be there")
    made = Path(tempfile.mkdtemp(prefix="pumasi-relay-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def programs_for(user_s_python: str, folder: Path) -> Path:
    """Flower's programs for an interpreter that the other user may run."""
    folder.mkdir()
    found = Path(sys.executable).parent
    for script in [*found.glob("flower-*"), *found.glob("flwr-*")]:
        lines = script.read_text().splitlines()
        made = folder / script.name
        made.write_text("\n".join([f"#!{user_s_python}", *lines[1:]]) + "\n")
        made.chmod(0o755)
    return folder


def test_a_hostile_app_gets_nothing_under_another_user_and_its_question_is_logged(
    cluster: Cluster, folder: Path
) -> None:
    programs = programs_for(interpreter(), folder / "bin")
    relay, answers = folder / "relay", folder / "answer"
    paths = cluster.hospitals.paths("sup")
    shutil.copytree(paths.relay, relay, ignore=shutil.ignore_patterns("flower"))
    for each in (relay, *relay.iterdir()):
        os.chown(each, USER, USER)
    answers.mkdir(mode=0o750)
    os.chown(answers, 0, USER)
    end([cluster.programs()[each + "sup"] for each in (NODE, PROCESS)])
    numbers = read_nodes(cluster.places)
    number = numbers["sup"]
    answer = [sys.executable, "-c", "from pumasi.cli import main; main()", "site", "answer"]
    answer += ["--site", "sup", "--socket", str(answers / "socket")]
    process = start(
        PROCESS + "sup", answer, flower_environment(relay), cluster.places.logs / "sup.process.log"
    )
    # Neither this node nor bada's holds the app to what is installed: what is left is the user.
    environment = relay_environment(relay / "flower") | {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(relay),
        "PYTHONPATH": str(SITE_PACKAGES),
    }
    command = [*AS_USER, *node_command(relay, answers / "socket", f"127.0.0.1:{cluster.port}")]
    node = start(NODE + "sup", command, environment, cluster.places.logs / "sup.user.log")
    in_place_of(cluster, process, node, trusting(cluster, "bada"))
    app = folder / "app"
    shutil.copytree(APP, app)
    text = HOSTILE.format(
        home=str(cluster.hospitals.home),
        network=str(cluster.hospitals.network),
        project=str(PROJECT),
        names=list(NAMES),
    )
    (app / "relay" / "client_app.py").write_text(text)

    def connected() -> bool:
        known = online(cluster.places)
        return (answers / "socket").exists() and known[number] and known[numbers["bada"]]

    try:
        wait(connected, 90)
        before = {name: len(cluster.hospitals.log(name)) for name in NAMES}
        with FlowerTransport(cluster.places, seconds=90, app=app) as transport:
            answer = transport.exchanged(b"anything")
    finally:
        revive(cluster, "sup")
        revive(cluster, "bada")
    found = {
        name: json.loads(b64decode(answer["replies"][str(numbers[name])]))
        for name in ("sup", "bada")
    }
    assert (found["sup"]["user"], found["bada"]["user"]) == (USER, 0)
    for name in NAMES:
        assert set(found["sup"][name].values()) & {"got it", "got nothing"} == set(), found["sup"]
        # The control: under the hospital's own user the same attempts succeed.
        assert set(found["bada"][name].values()) == {"got it"}, found["bada"]
    # The others hold what is shipped to what is installed, and run nothing of it.
    failed = {name for name in NAMES if str(numbers[name]) in answer["failed"]}
    assert failed == {"deul", "haneul"}
    assert set(answer["failed"].values()) == {"flower_error_1"}
    for name in NAMES:
        # SQL is no request, whoever sends it: a code comes back, and a line stays.
        code = "app_not_installed_here" if name in failed else "no_request_of_this_version"
        lines = cluster.hospitals.log(name)[before[name] :]
        assert [(each["event"], each["refusal"]) for each in lines if "refusal" in each] == [
            ("refused", code)
        ]
        if name in found:
            reply = found[name]["sql"]
            assert (reply["refusal"], reply["words"]) == (code, "")


def trusting(cluster: Cluster, name: str) -> Program:
    """A node in the place of the hospital's, which runs whatever the hub ships."""
    end([cluster.programs()[NODE + name]])
    paths = cluster.hospitals.paths(name)
    command = node_command(paths.relay, paths.socket, f"127.0.0.1:{cluster.port}")
    environment = relay_environment(paths.relay / "flower")
    environment["PATH"] = environment["PATH"].removeprefix(f"{NODE_PROGRAMS}:")
    log = cluster.places.logs / f"{name}.trusting.log"
    return start(NODE + name, command, environment, log)


def test_a_home_that_others_may_enter_is_not_answered_from_beside_another_user(
    cluster: Cluster,
) -> None:
    cluster.hospitals.home.chmod(0o755)
    try:
        done = cluster.pumasi("site", "answer", "--site", "sup", "--socket", "/nowhere/socket")
    finally:
        cluster.hospitals.home.chmod(0o700)
    assert done.returncode == 1
    assert "can be entered by other users" in done.stderr
