"""Fixed point and masks: sums are exact, and no addend can be read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pumasi.errors import QueryError
from pumasi.federation.fixed_point import decode, encode
from pumasi.federation.masks import MaskKey, mask
from pumasi.federation.query import Counts, Part

PARTS = (Part("sums", (3,), scale=1024.0), Part("count", ()))
KEYS = {name: MaskKey.generate() for name in ("a", "b", "c", "d")}
PUBLIC = {name: key.public for name, key in KEYS.items()}
WITHIN = st.floats(-1e5, 1e5)


@given(arrays(np.float64, (4, 4), elements=WITHIN))
def test_a_masked_sum_is_the_clear_sum_to_a_billionth_of_the_scale(addends: np.ndarray) -> None:
    sent = [
        encode(row, PARTS, 4) + mask(KEYS[name], name, PUBLIC, b"run 1", 4)
        for name, row in zip(KEYS, addends, strict=True)
    ]
    found = decode(np.sum(sent, axis=0, dtype=np.uint64), PARTS)
    clear = addends.sum(axis=0)
    assert (
        np.abs(found - clear) <= 1e-9 * np.array([1024, 1024, 1024, 1]) + 1e-16 * abs(clear)
    ).all()


@given(st.integers(0, 2**40), st.integers(-(2**40), 2**40))
def test_whole_numbers_are_exact(one: int, other: int) -> None:
    part = (Part("n", (), scale=2.0**20),)
    total = encode(np.array([float(one)]), part, 2) + encode(np.array([float(other)]), part, 2)
    assert decode(total, part)[0] == one + other


def test_a_hundred_hospitals_may_count_a_million_persons_each() -> None:
    part = (Part("persons", (), counts=Counts.PERSONS),)
    words = [encode(np.array([1e6 + hospital]), part, 100) for hospital in range(100)]
    assert decode(np.sum(words, axis=0, dtype=np.uint64), part)[0] == 100 * 1e6 + 4950


def test_what_does_not_fit_is_refused_with_its_name_and_without_its_value() -> None:
    with pytest.raises(QueryError, match="count: too large") as error:
        encode(np.array([1.0, 2.0, 3.0, 7654321.0]), PARTS, 4)
    assert "7654321" not in str(error.value)


def test_the_sum_of_a_run_fits_wherever_each_addend_does() -> None:
    largest = 2.0**22 / 4 * 0.999
    words = sum(encode(np.array([0, 0, 0, largest]), PARTS, 4) for _ in range(4))
    assert decode(np.asarray(words), PARTS)[3] == pytest.approx(4 * largest, rel=1e-12)


def test_masks_look_alike_whatever_they_hide() -> None:
    size = 20_000
    hidden = mask(KEYS["a"], "a", PUBLIC, b"run", size)
    bits = np.unpackbits(hidden.view(np.uint8)).mean()
    # 1.28 million fair bits: the mean is within five standard errors of a half.
    assert abs(bits - 0.5) < 5 * 0.5 / np.sqrt(64 * size)


def test_another_run_another_list_or_another_key_gives_another_mask() -> None:
    masks = [
        mask(KEYS["a"], "a", PUBLIC, b"run 1", 8),
        mask(KEYS["a"], "a", PUBLIC, b"run 2", 8),
        mask(KEYS["a"], "a", {name: PUBLIC[name] for name in "abc"}, b"run 1", 8),
        mask(MaskKey.generate(), "a", PUBLIC, b"run 1", 8),
    ]
    assert len({each.tobytes() for each in masks}) == 4


def test_without_one_hospital_there_is_no_sum() -> None:
    sent = {
        name: encode(np.ones(4), PARTS, 4) + mask(KEYS[name], name, PUBLIC, b"run", 4)
        for name in KEYS
    }
    missing_d = np.sum([sent[name] for name in "abc"], axis=0, dtype=np.uint64)
    assert (np.abs(decode(missing_d, PARTS) - 3) > 1e-3).all()
