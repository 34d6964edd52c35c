"""Approvals: only what the steward of this hospital signed allows anything, and only until then."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from pumasi.config.paths import SitePaths
from pumasi.disclosure.approval import (
    Approval,
    approvals,
    make_steward_key,
    require_approval,
    revoke,
    sign,
    state,
)
from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.errors import ApprovalError
from pumasi.federation.query import Kind

LAST = date(2026, 12, 31)
APPROVAL = Approval(
    id="asthma_2026",
    site="tiny",
    subject="asthma_exacerbation",
    kinds=(Kind.DESCRIPTIVE, Kind.LEARNING),
    expires=LAST,
    contributors=("bada", "sup", "tiny"),
)
LEARNING = {Kind.LEARNING}
ALL = set(APPROVAL.contributors)


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    found = SitePaths.of("tiny", tmp_path)
    make_steward_key(tmp_path / "steward.pem", "secret", found)
    return found


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "steward.pem"


def refusal(paths: SitePaths, kinds: set[Kind] = LEARNING, on: date = LAST) -> Refusal:
    with pytest.raises(RefusedError) as error:
        require_approval("asthma_exacerbation", kinds, ALL, paths, on)
    return error.value.refusal


def test_an_approval_counts_until_its_last_day(paths: SitePaths, key: Path) -> None:
    assert refusal(paths) is Refusal.NOT_APPROVED
    sign(APPROVAL, key, "secret", paths)
    assert require_approval("asthma_exacerbation", LEARNING, ALL, paths, LAST) == APPROVAL
    assert refusal(paths, on=LAST + timedelta(days=1)) is Refusal.EXPIRED
    assert state("asthma_2026", paths, LAST) == "valid"
    assert state("asthma_2026", paths, LAST + timedelta(days=1)) == "expired"


def test_another_task_or_kind_is_not_approved(paths: SitePaths, key: Path) -> None:
    sign(APPROVAL, key, "secret", paths)
    with pytest.raises(RefusedError, match="not_approved"):
        require_approval("fabry_screening", LEARNING, ALL, paths, LAST)
    assert refusal(paths, {Kind.EFFECT}) is Refusal.KIND


def test_an_effect_needs_the_hash_of_a_locked_protocol(paths: SitePaths, key: Path) -> None:
    effect = APPROVAL.model_copy(update={"id": "effect", "kinds": (Kind.EFFECT,)})
    sign(effect, key, "secret", paths)
    assert refusal(paths, {Kind.EFFECT}) is Refusal.NO_PROTOCOL
    locked = effect.model_copy(update={"id": "locked", "protocol": "ab" * 32})
    sign(locked, key, "secret", paths)
    assert require_approval("asthma_exacerbation", {Kind.EFFECT}, ALL, paths, LAST) == locked


def test_anybody_revokes_and_nothing_revives_it(paths: SitePaths, key: Path) -> None:
    sign(APPROVAL, key, "secret", paths)
    revoke("asthma_2026", paths)
    assert refusal(paths) is Refusal.REVOKED
    with pytest.raises(ApprovalError, match="there is an approval asthma_2026"):
        sign(APPROVAL, key, "secret", paths)
    with pytest.raises(ApprovalError, match="there is no approval other"):
        revoke("other", paths)


@pytest.mark.parametrize(
    ("field", "value"),
    [("expires", "2036-12-31"), ("minimum_outcome", 3), ("kinds", ["effect"]), ("site", "bada")],
)
def test_a_line_that_an_engineer_edits_makes_it_void(
    paths: SitePaths, key: Path, field: str, value: object
) -> None:
    file = sign(APPROVAL, key, "secret", paths)
    said = json.loads(file.read_text())
    said["approval"][field] = value
    file.write_text(json.dumps(said))
    assert refusal(paths) is Refusal.NOT_APPROVED
    assert state("asthma_2026", paths, LAST) == "not signed by the steward"


def test_an_approval_of_another_hospital_or_under_another_name_is_void(
    paths: SitePaths, key: Path
) -> None:
    file = sign(APPROVAL, key, "secret", paths)
    file.rename(paths.approvals / "renamed.json")
    assert refusal(paths) is Refusal.NOT_APPROVED
    assert approvals(paths) == ["renamed"]


def test_a_key_of_somebody_else_signs_nothing(paths: SitePaths, key: Path, tmp_path: Path) -> None:
    other = SitePaths.of("other", tmp_path)
    make_steward_key(tmp_path / "other.pem", "secret", other)
    with pytest.raises(ApprovalError, match=r"other\.pem is not the key of the steward of tiny"):
        sign(APPROVAL, tmp_path / "other.pem", "secret", paths)
    with pytest.raises(ApprovalError, match="can't be opened with this passphrase"):
        sign(APPROVAL, key, "wrong", paths)
    assert approvals(paths) == []


def test_a_second_key_is_not_made_by_accident(paths: SitePaths, tmp_path: Path) -> None:
    with pytest.raises(ApprovalError, match="a new one makes every approval void"):
        make_steward_key(tmp_path / "new.pem", "secret", paths)
    assert b"ENCRYPTED" in (tmp_path / "steward.pem").read_bytes()


def test_the_minimum_of_persons_can_t_be_lowered() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 10"):
        Approval.model_validate({**APPROVAL.model_dump(), "minimum_persons": 9})
    with pytest.raises(ValueError, match="greater than or equal to 3"):
        Approval.model_validate({**APPROVAL.model_dump(), "minimum_outcome": 2})
    with pytest.raises(ValueError, match="at least 3 items"):
        Approval.model_validate({**APPROVAL.model_dump(), "contributors": ("tiny", "sup")})


def test_the_approval_is_that_with_the_contributors_who_are_asked(
    paths: SitePaths, key: Path
) -> None:
    more = APPROVAL.model_copy(update={"id": "a_first", "contributors": (*ALL, "deul")})
    for approval in (more, APPROVAL):
        sign(approval, key, "secret", paths)
    for approval in (more, APPROVAL):
        asked = set(approval.contributors)
        found = require_approval("asthma_exacerbation", LEARNING, asked, paths, LAST)
        assert found == approval
    with pytest.raises(RefusedError, match="contributors_not_approved"):
        require_approval("asthma_exacerbation", LEARNING, {"tiny"}, paths, LAST)
