"""Whether a release can be opened at all, whatever its checks say; for whoever shows its gates."""

from __future__ import annotations

from pumasi.config import SitePaths
from pumasi.errors import ReleaseError, WithdrawalError
from pumasi.extract.tombstones import require_purged
from pumasi.release import Release, latest_release


def reasons_unopened(paths: SitePaths, release: Release) -> list[str]:
    """Why nobody can open the release whatever for; empty if the gates decide.

    Only the latest is ever opened, and none while a withdrawal has not ended: `open_release`
    refuses both before it asks a gate.
    """
    reasons = []
    try:
        require_purged(paths)
    except WithdrawalError as error:
        reasons.append(str(error))
    try:
        latest = latest_release(paths)
    except ReleaseError as error:
        return [*reasons, str(error)]
    if latest is not None and latest.seal.number != release.seal.number:
        reasons.append(
            f"it is not the latest: that is release {latest.id}, seal {latest.seal.number}"
        )
    return reasons
