"""Hospitals over Flower: the same numbers as in one process, and clean ends of everything else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace

import duckdb
import numpy as np
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orchestration.flower import transport as over_flower
from orchestration.flower.certificates import make_certificates
from orchestration.flower.one_machine import (
    NODE,
    PROCESS,
    SUPERLINK,
    memory,
    start_node,
)
from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import Program, end
from orchestration.flower.superlink import online, read_nodes
from orchestration.flower.transport import FlowerTransport
from pumasi.answer.holding import holdings
from pumasi.answer.task_rows import task_rows
from pumasi.config import SitePaths
from pumasi.errors import FederationError
from pumasi.estimate.glm import fit_glm
from pumasi.federation.messages import Mode, Reply, Request
from pumasi.federation.queries import Moments
from pumasi.federation.rows import Design, Rows
from pumasi.release import latest_release
from tests.flower.cluster import Cluster, in_place_of, listeners, revive, wait
from tests.flower.hospitals import MODEL, NAMES, TASK, Overheard, run_over

pytestmark = pytest.mark.slow
MOMENTS = Moments(design=Design(terms=("age_at_index",)))


def rows_of(cluster: Cluster, name: str) -> Rows:
    release = latest_release(cluster.hospitals.paths(name))
    assert release is not None
    with duckdb.connect() as connection:
        return task_rows(TASK, release.read(TASK.table, connection))


def test_a_logistic_model_equals_that_of_one_process_and_no_addend_is_seen(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[bytes] = []

    def read_frame(*arguments: object) -> bytes | None:
        frame = original(*arguments)  # type: ignore[arg-type]
        received.append(frame or b"")
        return frame

    original = over_flower.read_frame
    monkeypatch.setattr(over_flower, "read_frame", read_frame)
    with FlowerTransport(cluster.places, seconds=60) as transport:
        assert transport.hospitals == NAMES
        heard = Overheard(transport)
        found = fit_glm(run_over(heard), MODEL)
    expected = fit_glm(run_over(cluster.hospitals.in_process()), MODEL)
    assert found.persons == expected.persons > 1000
    assert np.abs(found.coefficients - expected.coefficients).max() < 1e-9
    assert np.abs(found.covariance - expected.covariance).max() < 1e-9
    assert len(received) == found.exchanges
    for name in NAMES:
        events = [each["event"] for each in cluster.hospitals.log(name)]
        assert events[: 2 * found.exchanges] == ["intended", "sent"] * found.exchanges
    # What each would have sent without masks, and where that is looked for.
    rows = {name: rows_of(cluster, name) for name in NAMES}
    clear = {name: addends(rows, name, heard.requests) for name in NAMES}
    everything = b"".join([*received, *map(decoded, received)])
    for name in NAMES:
        assert not any(in_bytes(words, everything) for words in clear[name])
        # The control: in a reply in clear the same search finds them.
        assert all(in_bytes(words, reply_in_clear(words)) for words in clear[name])


def addends(rows: Mapping[str, Rows], name: str, requests: list[bytes]) -> list[np.ndarray]:
    """The hospital's words of each exchange without masks; zeros and ones tell nothing."""
    holding = holdings(rows)[name]
    found = []
    for message in requests:
        request = Request.from_bytes(message).model_copy(update={"mode": Mode.CLEAR})
        reply = json.loads(holding.answer(request.to_bytes()))
        assert reply["refusal"] == ""
        words = np.frombuffer(b64decode(reply["words"]), dtype="<u8")
        found.append(words[words > 1 << 24])
        assert len(found[-1]) > 3
    return found


def decoded(frame: bytes) -> bytes:
    """The replies in a frame, and the words in them."""
    replies = [b64decode(each) for each in json.loads(frame)["replies"].values()]
    return b"".join([*replies, *(b64decode(json.loads(reply)["words"]) for reply in replies)])


def in_bytes(words: np.ndarray, everything: bytes) -> bool:
    return any(int(word).to_bytes(8, "little") in everything for word in words)


def reply_in_clear(words: np.ndarray) -> bytes:
    request = Request.of("r", 1, TASK.name, Mode.CLEAR, NAMES, (MOMENTS,))
    reply = Reply.of("bada", request, words.astype(np.uint64)).to_bytes()
    return b64decode(json.loads(reply)["words"])


def test_everything_listens_to_this_machine_only_and_takes_little_memory(cluster: Cluster) -> None:
    addresses = {each.laddr.ip for process in cluster.family() for each in listeners(process)}
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
    of_flower = [each for each in cluster.programs().values() if not each.name.startswith(PROCESS)]
    assert memory(of_flower) < 2.5e9
    done = cluster.pumasi("network", "status")
    assert done.returncode == 0
    assert done.stdout.count("connected") == len(NAMES)


def test_a_second_network_is_not_started_beside_the_first(cluster: Cluster) -> None:
    done = cluster.pumasi("network", "up")
    assert (done.returncode, done.stderr) == (
        1,
        "Error: a network is up already: `pumasi network down` ends it\n",
    )
    assert all(each.runs for each in cluster.programs().values())


def test_a_node_whose_key_was_not_registered_is_refused(cluster: Cluster) -> None:
    stranger = SitePaths(cluster.hospitals.home / "stranger")
    enrolled = cluster.hospitals.paths("bada")
    stranger.relay.mkdir(parents=True)
    (stranger.relay / "hub.crt").write_bytes((enrolled.relay / "hub.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP384R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (stranger.relay / "node.key").write_bytes(secret)
    before = online(cluster.places)
    node = start_node(stranger, f"127.0.0.1:{cluster.port}", cluster.places.logs / "stranger.log")
    try:
        wait(lambda: not node.runs)
    finally:
        end([node])
    assert "SuperNode ID" not in node.last_lines(50)
    assert online(cluster.places) == before


def test_a_node_that_holds_the_hub_to_another_certificate_does_not_connect(
    cluster: Cluster,
) -> None:
    paths = cluster.hospitals.paths("sup")
    number = read_nodes(cluster.places)["sup"]
    end([cluster.programs()[NODE + "sup"]])
    wait(lambda: not online(cluster.places)[number])
    other = HubPlaces(cluster.hospitals.home / "other")
    make_certificates(other, "127.0.0.1")
    certificate = (paths.relay / "hub.crt").read_bytes()
    (paths.relay / "hub.crt").write_bytes(other.authority.read_bytes())
    fleet, log = f"127.0.0.1:{cluster.port}", cluster.places.logs / "wrong.log"
    node = start_node(paths, fleet, log)
    try:
        time.sleep(12)
        assert not online(cluster.places)[number]
        assert "SuperNode ID" not in node.last_lines(50)
    finally:
        end([node])
        (paths.relay / "hub.crt").write_bytes(certificate)
    # The control: with the hub's certificate the same key connects.
    again = start_node(paths, fleet, cluster.places.logs / "sup.node.log")
    in_place_of(cluster, again)
    wait(lambda: online(cluster.places)[number])


def test_a_hospital_whose_process_is_down_is_named_and_the_others_go_on(cluster: Cluster) -> None:
    end([cluster.programs()[PROCESS + "deul"]])
    try:
        with (
            FlowerTransport(cluster.places, seconds=60) as transport,
            pytest.raises(FederationError) as refused,
        ):
            run_over(transport).total([MOMENTS])
    finally:
        revive(cluster, "deul")
    assert str(refused.value) == (
        "deul: its own process does not answer: start `pumasi site answer` there"
    )
    with FlowerTransport(cluster.places, seconds=60) as transport:
        (total,) = run_over(transport).total([MOMENTS])
    assert total.contributors == NAMES


def test_a_node_that_is_killed_in_a_run_is_named_in_the_time_that_was_given(
    cluster: Cluster,
) -> None:
    try:
        with FlowerTransport(cluster.places, seconds=30) as transport:
            run = run_over(transport)
            run.total([MOMENTS])
            kill(cluster.programs()[NODE + "haneul"])
            began = time.monotonic()
            with pytest.raises(FederationError, match=r"^haneul: .*pumasi network status"):
                run.total([MOMENTS])
            assert time.monotonic() - began < 30 + 5
    finally:
        revive(cluster, "haneul")


def kill(program: Program) -> None:
    process = program.process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    for each in family:
        each.kill()
    psutil.wait_procs(family, timeout=10)


def test_a_hub_that_is_killed_in_a_run_leaves_nothing_running(cluster: Cluster) -> None:
    code = """
        import sys
        from orchestration.flower.places import HubPlaces
        from orchestration.flower.transport import FlowerTransport
        from pumasi.federation.queries import Moments
        from pumasi.federation.rows import Design
        from tests.flower.hospitals import run_over

        with FlowerTransport(HubPlaces.of_home(), seconds=60) as transport:
            run = run_over(transport)
            while True:
                run.total([Moments(design=Design(terms=("age_at_index",)))])
                print("one exchange", flush=True)
    """
    environment = {**os.environ, **cluster.environment}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        assert hub.stdout.readline() == "one exchange\n"
        assert len(of_runs(cluster)) >= 1
        hub.send_signal(signal.SIGKILL)
    wait(lambda: of_runs(cluster) == [])
    # And the network is as good as before.
    with FlowerTransport(cluster.places, seconds=60) as transport:
        run_over(transport).total([MOMENTS])


def of_runs(cluster: Cluster) -> list[str]:
    """What runs for a run: the relay's server at the hub, the relay at hospitals."""
    names = ("flwr-serverapp", "flwr-clientapp")
    lines = [" ".join(command(each)) for each in cluster.family()]
    return [line for line in lines if any(name in line for name in names)]


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_program_is_not_taken_for_another_with_its_number(cluster: Cluster) -> None:
    superlink = cluster.programs()[SUPERLINK]
    stranger = replace(superlink, started=f"{superlink.started}0")
    assert superlink.runs
    assert not stranger.runs
    assert end([stranger]) == []
    assert superlink.runs
