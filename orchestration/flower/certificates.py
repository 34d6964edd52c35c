"""The hub's certificates: an authority of its own, and the server's, signed by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestration.flower.places import HubPlaces
from pumasi.atomic import write_text
from pumasi.errors import EnrolmentError

# Ten years: hospitals hold the authority's certificate, so its end is the end of all enrolments.
AUTHORITY_DAYS = 3650
SERVER_DAYS = 825
# A server's certificate that ends sooner is made anew when the network is enrolled or started.
RENEW_DAYS = 30
ALWAYS = ("localhost", "127.0.0.1")


def make_certificates(places: HubPlaces, host: str, now: datetime | None = None) -> None:
    """Make the authority if there is none, and a server's certificate if it is not for this host.

    The authority is never made anew: hospitals would have to be enrolled again.
    """
    at = now or datetime.now(UTC)
    if not places.authority.exists():
        key = _new_key(places.authority_key)
        builder = _builder("Pumasi hub authority", None, key, at, AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signs=True), True)
        _write(places.authority, builder.sign(key, SHA256()))
    if not _serves(places.server, host, at):
        _make_server(places, host, at)


def _make_server(places: HubPlaces, host: str, at: datetime) -> None:
    authority = x509.load_pem_x509_certificate(places.authority.read_bytes())
    signer = _load_key(places.authority_key)
    key = _new_key(places.server_key)
    names = [_name(each) for each in dict.fromkeys((*ALWAYS, host))]
    builder = _builder("Pumasi hub", authority.subject, key, at, SERVER_DAYS)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(signs=False), True)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = builder.add_extension(server, False)
    _write(places.server, builder.sign(signer, SHA256()))


def _builder(
    name: str,
    issuer: x509.Name | None,
    key: ec.EllipticCurvePrivateKey,
    at: datetime,
    days: int,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of hospitals go differently.
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=days))
    )


def _serves(file: Path, host: str, at: datetime) -> bool:
    """Whether there is a server's certificate for this host that has not nearly ended."""
    if not file.exists():
        return False
    found = x509.load_pem_x509_certificate(file.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = found.not_valid_after_utc > at + timedelta(days=RENEW_DAYS)
    return lasts and _name(host) in list(names)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_text(file, secret.decode(), mode=0o600)
    return key


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise EnrolmentError(f"{file} is not the key of the hub's authority")
    return key


def _write(file: Path, certificate: x509.Certificate) -> None:
    write_text(file, certificate.public_bytes(Encoding.PEM).decode())
