"""Whether the concepts of a concept set were verified: one outcome per set, asked by name.

They are warnings: a hospital is not closed because of a set that nobody there uses. The task or the
study that rests on a set needs its check (`Task.checks`), and for it the gate closes. No threshold
of a hospital changes them: a code that nobody looked up is not known a little. What a hospital of
real persons has not mapped yet is no fault of it: a task that rests on that is not trained there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import duckdb

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


def mapping_check_of(concept_set: str) -> str:
    """Name of the check of a set with local concepts: whether the hospital has mapped them."""
    return f"{TABLE}.{concept_set}_is_mapped"


def concepts_of(connection: duckdb.DuckDBPyConnection) -> tuple[list[Listed], set[int]]:
    """Every concept of every set of a warehouse, and the concepts that its mapping leads to."""
    listed = connection.execute(
        "select concept_set, concept_id, verification, label from intermediate.concept_sets "
        "order by all"
    ).fetchall()
    mapped = connection.execute(
        "select target_concept_id from staging.stg_vocabulary__source_to_concept_maps"
    ).fetchall()
    return [Listed(*row) for row in listed], {row[0] for row in mapped}


def verification_outcomes(
    listed: Iterable[Listed], mapped: Collection[int], *, real: bool
) -> list[Outcome]:
    """One outcome per concept set, and one more for each with local concepts, by the set's name.

    Args:
        listed: every concept of every set.
        mapped: concepts that the hospital's own mapping leads to.
        real: whether the hospital's persons are: then nothing but its mapping says what a local
            concept means there.
    """
    sets: dict[str, list[Listed]] = defaultdict(list)
    for each in listed:
        sets[each.concept_set].append(each)
    found = []
    for name in sorted(sets):
        local = [each for each in sets[name] if each.verification == LOCAL]
        found.append(_verified(name, sets[name], local))
        if local:
            unmapped = [each for each in local if real and each.concept_id not in mapped]
            check = mapping_check_of(name)
            found.append(_outcome(check, unmapped, local, "not mapped here"))
    return found


def local_concepts(outcomes: Iterable[Outcome], needs: Collection[str]) -> list[str]:
    """What cards and reports print: per needed set with local concepts, its name and which."""
    return [
        f"{outcome.name.removeprefix(f'{TABLE}.').removesuffix('_is_verified')} "
        + outcome.message[outcome.message.index(RESTS_ON) :]
        for outcome in outcomes
        if outcome.name in needs and RESTS_ON in outcome.message
    ]


def _verified(name: str, concepts: Sequence[Listed], local: Sequence[Listed]) -> Outcome:
    bad = [each for each in concepts if each.verification not in (VERIFIED, LOCAL)]
    outcome = _outcome(check_of(name), bad, concepts, "not verified")
    if not local:
        return outcome
    return replace(outcome, message=f"{outcome.message}; {RESTS_ON}: {_named(local)}")


def _outcome(name: str, bad: Sequence[Listed], all_of_it: Sequence[Listed], what: str) -> Outcome:
    check = Check(name, TABLE, "conformance", Severity.WARN, "verification")
    outcome = judge(check, len(bad), len(all_of_it))
    if not bad:
        return outcome
    return replace(outcome, message=f"{outcome.message}; {what}: {_named(bad)}")


def _named(concepts: Sequence[Listed]) -> str:
    return ", ".join(f"{each.concept_id} {each.label} ({each.verification})" for each in concepts)
