"""Concept sets: an unverified concept fails, a local one must be mapped where persons are real."""

import pytest

from pumasi.quality import (
    Listed,
    Need,
    Outcome,
    Purpose,
    Severity,
    Status,
    check_of,
    local_concepts,
    mapping_check_of,
    reasons_closed,
    verification_outcomes,
)

LISTED = (
    Listed("asthma", 317009, "V", "asthma"),
    Listed("asthma", 2000000207, "local", "status asthmaticus"),
    Listed("biologic", 35606631, "V", "mepolizumab"),
    Listed("gene", 3041430, "W", "GLA mutation"),
    Listed("guess", 1, "NV", "not looked up"),
)


def outcomes(mapped: set[int], real: bool) -> dict[str, Outcome]:
    found = verification_outcomes(LISTED, mapped, real=real)
    return {outcome.name: outcome for outcome in found}


@pytest.mark.parametrize(
    ("real", "mapped", "failed"),
    [
        (False, set(), []),
        (True, set(), [mapping_check_of("asthma")]),
        (True, {2000000207}, []),
        (True, {2000000207, 3041430}, []),
    ],
)
def test_what_fails_where(real: bool, mapped: set[int], failed: list[str]) -> None:
    found = outcomes(mapped, real)
    asthma, *others = (check_of(name) for name in ("asthma", "biologic", "gene", "guess"))
    assert list(found) == [asthma, mapping_check_of("asthma"), *others]
    assert [o.name for o in found.values() if o.status is Status.FAILED] == [
        *failed,
        check_of("gene"),
        check_of("guess"),
    ]
    assert {outcome.severity for outcome in found.values()} == {Severity.WARN}


def test_the_message_names_the_concepts() -> None:
    found = outcomes(set(), real=True)
    assert found["concept_sets.asthma_is_verified"].message == (
        "violated by 0 of 2 (0.00%); allowed 0.00%; rests on local concepts: 2000000207 status "
        "asthmaticus (local)"
    )
    assert found["concept_sets.asthma_is_mapped"].message == (
        "violated by 1 of 1 (100.00%); allowed 0.00%; not mapped here: 2000000207 status "
        "asthmaticus (local)"
    )
    assert found["concept_sets.gene_is_verified"].message == (
        "violated by 1 of 1 (100.00%); allowed 0.00%; not verified: 3041430 GLA mutation (W)"
    )
    assert found["concept_sets.biologic_is_verified"].message == (
        "violated by 0 of 1 (0.00%); allowed 0.00%"
    )


def test_the_gate_closes_only_for_who_names_the_set() -> None:
    found = list(outcomes(set(), real=False).values())
    assert reasons_closed(found) == []
    assert reasons_closed(found, purpose=Purpose("a task", (Need(check_of("asthma")),))) == []
    (reason,) = reasons_closed(found, purpose=Purpose("a task", (Need(check_of("gene")),)))
    assert reason.startswith("a task needs concept_sets.gene_is_verified: violated by 1 of 1")
    (reason,) = reasons_closed(found, purpose=Purpose("a task", (Need(check_of("unknown")),)))
    assert reason == "a task needs concept_sets.unknown_is_verified, which was not run"


def test_cards_print_the_local_concepts_of_the_sets_that_are_needed() -> None:
    found = list(outcomes(set(), real=False).values())
    needs = [check_of("asthma"), check_of("biologic")]
    assert local_concepts(found, needs) == [
        "asthma rests on local concepts: 2000000207 status asthmaticus (local)"
    ]
    assert local_concepts(found, [check_of("biologic")]) == []
