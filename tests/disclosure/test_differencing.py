"""Two answers that differ in few persons: found whatever the order of the rows, and in any pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pumasi.disclosure.differencing import Persons, tells_of_few
from pumasi.federation.rows import Rows


def rows(persons: list[int], changed: int = 0) -> Rows:
    """Two rows a person, of which the first `changed` persons have other values."""
    person = np.repeat(np.array(persons, dtype=np.int64), 2)
    visit = np.tile([0.0, 1.0], len(persons))
    other = np.repeat(np.arange(len(persons)) < changed, 2)
    values = {"visit": visit, "age": person % 90 + np.where(other, 0.5, 0.0)}
    return Rows(person, person % 100, person * 0, values)


@given(st.permutations(list(range(80))))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    one = rows(list(range(40)))
    shuffled = one.where(np.ones(80, dtype=bool))
    shuffled = Rows(
        one.person[order], one.split_key[order], one.hospital[order],
        {name: values[order] for name, values in one.columns.items()},
    )  # fmt: skip
    assert Persons.of("asthma", shuffled).key == Persons.of("asthma", one).key


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 40))
def test_persons_who_came_went_or_changed_are_counted(came: int, went: int, changed: int) -> None:
    before = Persons.of("asthma", rows(list(range(100))))
    after = Persons.of("asthma", rows(list(range(went, 100 + came)), changed))
    assert before.differing(after) == after.differing(before) == came + went + changed


def test_values_of_another_subject_are_not_compared_but_persons_are() -> None:
    asthma = Persons.of("asthma", rows(list(range(100))))
    fabry = Persons.of("fabry", rows(list(range(5, 100)), changed=95))
    assert asthma.differing(fabry) == 5
    assert tells_of_few(fabry, [asthma], 10)


def test_the_same_rows_and_very_different_ones_tell_nothing() -> None:
    one = Persons.of("asthma", rows(list(range(100))))
    assert not tells_of_few(one, [one], 10)
    assert not tells_of_few(one, [Persons.of("asthma", rows(list(range(10, 100))))], 10)
    assert tells_of_few(one, [Persons.of("asthma", rows(list(range(9, 100))))], 10)


def test_what_is_kept_is_the_same_when_it_is_read_again() -> None:
    one = Persons.of("asthma", rows(list(range(50)), changed=3))
    again = Persons.from_bytes("asthma", one.to_bytes())
    assert again.key == one.key
    assert again.differing(one) == 0
