"""Enrolment: private keys stay where they were made, and nobody's keys change by themselves."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from orchestration.flower.certificates import make_certificates
from orchestration.flower.enrol import add_hospitals, hub_public_key, load_peers
from orchestration.flower.one_machine import enrol_here
from orchestration.flower.places import HubPlaces
from pumasi.answer.enrolment import accept_peers, make_card, read_peers
from pumasi.config import HubConfig, SitePaths
from pumasi.errors import EnrolmentError
from pumasi.federation.masks import MaskKey
from pumasi.federation.peers import Peer, Peers
from tests.flower.lists import signed_list

HUB = HubConfig(name="Tiny", description="Made up.")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_hospital_more_changes_nobody_s_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path))
    places = HubPlaces.of_home()
    first = enrol_here(places, HUB, ["bada", "deul", "sup"])
    before = contents(tmp_path)
    second = enrol_here(places, HUB, ["bada", "deul", "sup", "haneul"])
    after = contents(tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    kept = {
        "hub/network/peers.json",
        *(f"sites/{name}/keys/peers.json" for name in ("bada", "deul", "sup")),
    }
    assert changed == kept
    assert (first.edition, second.edition) == (1, 2)
    assert set(first.hospitals) < set(second.hospitals)
    assert first.fingerprint != second.fingerprint
    assert enrol_here(places, HUB, ["bada", "deul", "sup", "haneul"]) == second
    assert contents(tmp_path) == after


def test_the_hub_gets_public_parts_only_and_private_files_are_the_owner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path))
    places = HubPlaces.of_home()
    enrol_here(places, HUB, ["bada"])
    paths = SitePaths.of("bada")
    secrets = [paths.mask_key.read_text().strip(), paths.relay.joinpath("node.key").read_text()]
    at_hub = b"".join(contents(places.root).values())
    assert not any(secret.encode() in at_hub for secret in secrets)
    assert paths.card.read_bytes().strip()
    private = [
        *(paths.mask_key, paths.relay / "node.key"),
        *(places.hub_key, places.authority_key, places.server_key),
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    card = make_card(paths)
    assert card.mask_key == MaskKey.load(paths.mask_key).public.hex()
    node_key = load_ssh_public_key(card.node_key.encode())
    assert isinstance(node_key, EllipticCurvePublicKey)
    assert node_key.curve.name == "secp384r1"


@pytest.fixture
def enrolled(tmp_path: Path) -> tuple[SitePaths, list[Peer], Ed25519PrivateKey]:
    """Bada, enrolled with two others, and the hub's key."""
    cards = [make_card(SitePaths.of(name, tmp_path)) for name in ("bada", "deul", "sup")]
    key = Ed25519PrivateKey.generate()
    paths = SitePaths.of("bada", tmp_path)
    accept_peers(paths, *signed_list(cards, key))
    return paths, cards, key


def test_the_first_list_needs_the_hub_s_key_and_the_next_does_not(tmp_path: Path) -> None:
    paths = SitePaths.of("bada", tmp_path)
    with pytest.raises(EnrolmentError, match="is not enrolled"):
        read_peers(paths)
    hub = Ed25519PrivateKey.generate()
    text, public = signed_list([make_card(paths)], hub)
    with pytest.raises(EnrolmentError, match="--hub-key"):
        accept_peers(paths, text)
    accept_peers(paths, text, public)
    assert accept_peers(paths, signed_list([make_card(paths)], hub, 2)[0]).edition == 2


def test_a_list_of_another_hub_is_refused_and_the_one_that_is_there_stays(enrolled) -> None:  # type: ignore[no-untyped-def]
    paths, cards, _ = enrolled
    text, other = signed_list(cards, edition=2)
    with pytest.raises(EnrolmentError, match="not signed"):
        accept_peers(paths, text)
    with pytest.raises(EnrolmentError, match="not the hub's key that was kept"):
        accept_peers(paths, text, other)
    assert read_peers(paths).edition == 1


def test_a_list_that_was_changed_on_the_way_is_refused(enrolled) -> None:  # type: ignore[no-untyped-def]
    paths, cards, key = enrolled
    text, _ = signed_list(cards, key, 2)
    changed = text.replace(cards[1].mask_key, MaskKey.generate().public.hex())
    for wrong in (changed, "{}", "", "[]", '{"peers": 1, "signature": "00"}'):
        with pytest.raises(EnrolmentError, match="not signed"):
            accept_peers(paths, wrong)
    paths.peers.write_text(changed)
    with pytest.raises(EnrolmentError, match="not signed"):
        read_peers(paths)


def test_another_hospital_s_key_that_changed_is_refused(enrolled) -> None:  # type: ignore[no-untyped-def]
    paths, cards, key = enrolled
    new = cards[1].model_copy(update={"mask_key": MaskKey.generate().public.hex()})
    with pytest.raises(EnrolmentError, match="deul is known with other keys"):
        accept_peers(paths, signed_list([cards[0], new, cards[2]], key, 2)[0])


def test_a_list_without_one_s_own_keys_or_of_an_older_edition_is_refused(enrolled) -> None:  # type: ignore[no-untyped-def]
    paths, cards, key = enrolled
    other = cards[0].model_copy(update={"mask_key": MaskKey.generate().public.hex()})
    with pytest.raises(EnrolmentError, match="the list has not bada"):
        accept_peers(paths, signed_list([other, *cards[1:]], key, 2)[0])
    accept_peers(paths, signed_list(cards, key, 3)[0])
    with pytest.raises(EnrolmentError, match="edition 3 of the list is here, this is 2"):
        accept_peers(paths, signed_list(cards, key, 2)[0])


def test_the_hub_refuses_a_known_hospital_with_other_keys(tmp_path: Path) -> None:
    places = HubPlaces(tmp_path)
    card = make_card(SitePaths.of("bada", tmp_path))
    add_hospitals(places, HUB, [card])
    other = make_card(SitePaths.of("bada", tmp_path / "elsewhere"))
    with pytest.raises(EnrolmentError, match="bada is known with other keys"):
        add_hospitals(places, HUB, [other])
    assert load_peers(places).hospitals == (card,)
    with pytest.raises(EnrolmentError, match="is no card"):
        Peer.from_file(tmp_path / "nowhere.json")


def test_another_address_of_the_hub_is_another_edition_and_another_certificate(
    tmp_path: Path,
) -> None:
    places = HubPlaces(tmp_path)
    add_hospitals(places, HUB, [])
    authority, server = places.authority.read_bytes(), places.server.read_bytes()
    moved = add_hospitals(places, HUB.model_copy(update={"host": "hub.example.org"}), [])
    assert moved.superlink == "hub.example.org:9092"
    assert places.authority.read_bytes() == authority
    assert places.server.read_bytes() != server
    assert Peers.verified(places.peers.read_text(), hub_public_key(places)) == moved


def test_a_server_s_certificate_is_renewed_before_it_ends_and_the_authority_stays(
    tmp_path: Path,
) -> None:
    places, now = HubPlaces(tmp_path), datetime.now(UTC)
    make_certificates(places, "localhost", now)
    first = places.server.read_bytes()
    authority = places.authority.read_bytes()
    make_certificates(places, "localhost", now + timedelta(days=790))
    assert places.server.read_bytes() == first
    make_certificates(places, "localhost", now + timedelta(days=800))
    assert places.server.read_bytes() != first
    assert places.authority.read_bytes() == authority
    ends = x509.load_pem_x509_certificate(authority).not_valid_after_utc
    assert ends > now + timedelta(days=3600)


def test_a_client_believes_the_hub_s_authority_and_no_other(tmp_path: Path) -> None:
    ours, other = HubPlaces(tmp_path / "ours"), HubPlaces(tmp_path / "other")
    for places in (ours, other):
        make_certificates(places, "127.0.0.1")
    assert _greeted(ours, ours.authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        _greeted(ours, other.authority)


def _greeted(server: HubPlaces, authority: Path) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.server, server.server_key)
    client = ssl.create_default_context(cafile=str(authority))

    def greet(stream: socket.socket) -> None:
        try:
            with context.wrap_socket(stream, server_side=True) as safe:
                safe.sendall(b"x")
        except OSError:
            stream.close()

    here, there = socket.socketpair()
    thread = threading.Thread(target=greet, args=(there,))
    thread.start()
    try:
        with here, client.wrap_socket(here, server_hostname="127.0.0.1") as safe:
            return safe.recv(1) == b"x"
    finally:
        thread.join()


def test_a_hospital_that_is_known_can_t_be_left_out_to_come_back_with_other_keys(enrolled) -> None:  # type: ignore[no-untyped-def]
    paths, cards, key = enrolled
    alone, _ = signed_list(cards[:1], key, 2)
    with pytest.raises(EnrolmentError, match="deul, sup is no longer in the list"):
        accept_peers(paths, alone)
    assert read_peers(paths).edition == 1


def test_an_edition_has_one_content(enrolled, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    paths, cards, key = enrolled
    more = [*cards, make_card(SitePaths.of("haneul", tmp_path))]
    with pytest.raises(EnrolmentError, match="edition 1 is here with another content"):
        accept_peers(paths, signed_list(more, key)[0])
    assert accept_peers(paths, signed_list(more, key, 2)[0]).edition == 2
