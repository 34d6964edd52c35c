"""What the data steward allows: a signed file per task or study, at the hospital.

The steward's key is made with `pumasi steward key` and stays with the steward, under a passphrase;
the hospital keeps its public part. An approval that was not signed by it, has ended or was revoked
allows nothing. It is read again for every exchange, so that revoking stops a run that goes on.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pumasi.atomic import write_text
from pumasi.config.paths import SitePaths
from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.errors import ApprovalError
from pumasi.federation.cells import Limits
from pumasi.federation.query import Kind, canonical

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class PrivacyBudget(BaseModel):
    """What the hospital may spend in all, over every task and study: epsilon at delta."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1e-3)]


class Approval(BaseModel):
    """What may be asked of this hospital for one task or study.

    Args:
        id: name of the approval, and of its file.
        site: the hospital.
        subject: the task or study.
        kinds: of queries that are answered.
        expires: the last day.
        release: id of the one release that may be used; "latest" for the latest open one.
        review_boards: numbers of the decisions of ethics or review boards.
        contributors: the hospitals that sums are made with, all of them; no smaller set is asked.
        minimum_persons: fewest persons of a cell.
        minimum_outcome: fewest persons with (or without) the outcome of a cell of a sum.
        protocol: SHA-256 of the locked protocol; without it no effect is estimated.
        retention_days: how long the hub may keep what was answered.
        privacy: with it everything is answered with noise, until the budget is spent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Name
    site: str
    subject: _Name
    kinds: tuple[Kind, ...]
    expires: date
    release: str = "latest"
    review_boards: tuple[str, ...] = ()
    contributors: Annotated[tuple[str, ...], Field(min_length=3)]
    minimum_persons: Annotated[int, Field(ge=10)] = 10
    minimum_outcome: Annotated[int, Field(ge=3)] = 10
    protocol: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    retention_days: Annotated[int, Field(ge=0)] = 365
    privacy: PrivacyBudget | None = None

    @property
    def limits(self) -> Limits:
        """The minimum that the steward set."""
        return Limits(persons=self.minimum_persons, outcome=self.minimum_outcome)

    def to_bytes(self) -> bytes:
        """What is signed."""
        return canonical(self.model_dump(mode="json"))


def make_steward_key(file: Path, passphrase: str, paths: SitePaths) -> None:
    """Write a new key of the steward, encrypted, and its public part into the hospital's keys.

    Raises:
        ApprovalError: the hospital has a steward's key, the file exists, or the passphrase is
            empty.
    """
    if not passphrase:
        raise ApprovalError("an empty passphrase protects no key: choose one of several words")
    if file.exists() or paths.steward_key.exists():
        raise ApprovalError(
            f"there is a steward's key already ({file.name} or {paths.steward_key.name}): a new "
            "one makes every approval void; remove the old one if that is meant"
        )
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, secret.decode(), mode=0o600)
    paths.steward_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_text(paths.steward_key, key.public_key().public_bytes_raw().hex() + "\n")


def sign(approval: Approval, file: Path, passphrase: str, paths: SitePaths) -> Path:
    """Sign the approval with the steward's key and put it where the hospital looks for it.

    Raises:
        ApprovalError: the key can't be opened, is not that of this hospital, or there is an
            approval of this name.
    """
    if not paths.steward_key.exists():
        raise ApprovalError(
            f"{approval.site} has no steward's key: the steward makes one with "
            f"`pumasi steward key --site {approval.site}`"
        )
    key = _open_key(file, passphrase)
    if not isinstance(key, Ed25519PrivateKey) or _hex(key) != _public(paths):
        raise ApprovalError(f"{file.name} is not the key of the steward of {approval.site}")
    place = paths.approvals / f"{approval.id}.json"
    if place.exists():
        raise ApprovalError(f"there is an approval {approval.id}: give the new one another id")
    text = {
        "approval": json.loads(approval.to_bytes()),
        "signature": key.sign(approval.to_bytes()).hex(),
    }
    paths.approvals.mkdir(parents=True, exist_ok=True)
    write_text(place, json.dumps(text, indent=1) + "\n")
    return place


def _open_key(file: Path, passphrase: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(file.read_bytes(), passphrase.encode())
    except OSError as error:
        raise ApprovalError(f"{file}: the steward's key can't be read: {error.strerror}") from None
    except ValueError:
        raise ApprovalError(f"{file.name} can't be opened with this passphrase") from None
    except TypeError:
        # A passphrase for a key that has none, or none for one that has.
        raise ApprovalError(
            f"{file.name} is a key without a passphrase, or the passphrase is empty: a steward's "
            "key is what `pumasi steward key` wrote, and is opened with its passphrase"
        ) from None


def revoke(approval_id: str, paths: SitePaths) -> None:
    """End an approval now; anybody of the hospital may, and needs no key.

    Raises:
        ApprovalError: there is none of this name.
    """
    if not (paths.approvals / f"{approval_id}.json").exists():
        raise ApprovalError(f"there is no approval {approval_id}: see `pumasi approval list`")
    write_text(_revoked(paths, approval_id), "revoked\n")


def state(approval_id: str, paths: SitePaths, on: date) -> str:
    """What an approval is on that day: valid, expired, revoked, or not signed by the steward."""
    approval = load(paths.approvals / f"{approval_id}.json", paths)
    if approval is None:
        return "not signed by the steward"
    if _revoked(paths, approval_id).exists():
        return "revoked"
    return "valid" if on <= approval.expires else "expired"


def load(file: Path, paths: SitePaths) -> Approval | None:
    """The approval in the file; None if the steward of this hospital has not signed it."""
    try:
        text = json.loads(file.read_text())
        approval = Approval.model_validate_json(json.dumps(text["approval"]))
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(_public(paths)))
        public.verify(bytes.fromhex(text["signature"]), approval.to_bytes())
    except (OSError, ValueError, KeyError, TypeError, ValidationError, InvalidSignature):
        return None
    return approval if approval.id == file.stem and approval.site == paths.root.name else None


def approvals(paths: SitePaths) -> list[str]:
    """Names of the approvals that lie at the hospital, signed or not."""
    return sorted(file.stem for file in paths.approvals.glob("*.json"))


def require_approval(
    subject: str, kinds: set[Kind], contributors: set[str], paths: SitePaths, on: date
) -> Approval:
    """The approval under which queries of these kinds are answered for the subject on that day.

    Args:
        subject: task or study.
        kinds: of the queries.
        contributors: all hospitals that are asked.
        paths: of the hospital.
        on: the day.

    Raises:
        RefusedError: there is none; the code says what is lacking of the one that comes nearest.
    """
    refusals = []
    for name in approvals(paths):
        approval = load(paths.approvals / f"{name}.json", paths)
        if approval is None or approval.subject != subject:
            continue
        refusal = _lacks(approval, kinds, contributors, paths, on)
        if refusal is None:
            return approval
        refusals.append(refusal)
    raise RefusedError(refusals[-1] if refusals else Refusal.NOT_APPROVED)


def _lacks(
    approval: Approval, kinds: set[Kind], contributors: set[str], paths: SitePaths, on: date
) -> Refusal | None:
    if _revoked(paths, approval.id).exists():
        return Refusal.REVOKED
    if on > approval.expires:
        return Refusal.EXPIRED
    if not kinds <= set(approval.kinds):
        return Refusal.KIND
    if Kind.EFFECT in kinds and approval.protocol is None:
        return Refusal.NO_PROTOCOL
    if contributors != set(approval.contributors):
        return Refusal.CONTRIBUTORS
    return None


def _revoked(paths: SitePaths, approval_id: str) -> Path:
    return paths.approvals / f"{approval_id}.revoked"


def _public(paths: SitePaths) -> str:
    return paths.steward_key.read_text().strip()


def _hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()
