"""Whether the concepts of a concept set were verified: one outcome per set, asked by name.

They are warnings: a hospital is not closed because of a set that nobody there uses. The task or the
study that rests on a set needs its check (`Task.checks`), and for it the gate closes. No threshold
of a hospital changes them: a code that nobody looked up is not known a little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from pumasi.quality.judge import judge
from pumasi.quality.outcome import Check, Outcome, Severity

TABLE = "concept_sets"
VERIFIED = "V"
LOCAL = "local"
# Begins what is said of local concepts; cards and reports look for it.
RESTS_ON = "rests on local concepts"


@dataclass(frozen=True)
class Listed:
    """One concept of a set, with how far it was verified: V, W, NV or local."""

    concept_set: str
    concept_id: int
    verification: str
    label: str


def check_of(concept_set: str) -> str:
    """Name of the check of a set, as a task or a study needs it."""
    return f"{TABLE}.{concept_set}_is_verified"


def verification_outcomes(
    listed: Iterable[Listed], mapped: Collection[int], *, real: bool
) -> list[Outcome]:
    """One outcome per concept set, in the order of names; the denominator is its concepts.

    Args:
        listed: every concept of every set.
        mapped: concepts that the hospital's own mapping leads to.
        real: whether the hospital's persons are: then a local concept counts as verified only once
            the hospital has mapped it, because elsewhere nothing says what it means there.
    """
    sets: dict[str, list[Listed]] = defaultdict(list)
    for each in listed:
        sets[each.concept_set].append(each)
    return [_outcome(name, sets[name], mapped, real) for name in sorted(sets)]


def local_concepts(outcomes: Iterable[Outcome], needs: Collection[str]) -> list[str]:
    """What cards and reports print: per needed set with local concepts, its name and which."""
    return [
        f"{outcome.name.removeprefix(f'{TABLE}.').removesuffix('_is_verified')} "
        + outcome.message[outcome.message.index(RESTS_ON) :]
        for outcome in outcomes
        if outcome.name in needs and RESTS_ON in outcome.message
    ]


def _outcome(name: str, concepts: Sequence[Listed], mapped: Collection[int], real: bool) -> Outcome:
    local = [each for each in concepts if each.verification == LOCAL]
    bad = [each for each in concepts if each.verification not in (VERIFIED, LOCAL)]
    if real:
        bad += [each for each in local if each.concept_id not in mapped]
    check = Check(check_of(name), TABLE, "conformance", Severity.WARN, "verification")
    outcome = judge(check, len(bad), len(concepts))
    said = [outcome.message]
    if bad:
        said.append(f"not verified here: {_named(bad)}")
    if local:
        said.append(f"{RESTS_ON}: {_named(local)}")
    return replace(outcome, message="; ".join(said))


def _named(concepts: Sequence[Listed]) -> str:
    return ", ".join(f"{each.concept_id} {each.label} ({each.verification})" for each in concepts)
