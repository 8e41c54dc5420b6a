"""MinHash: agreement estimates similarity without bias, with the variance that theory gives; bands miss few pairs."""

import numpy as np
import pytest

from polyloom.train.minhash import FACTORS, SHIFTS, SIZE, TOGETHER, Index, agreement, bands_for, signatures
from polyloom.train.shingles import similarity


def pair(shared: int, alone: int, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.unique(dice.integers(0, 2**63, 2 * (shared + 2 * alone), dtype=np.uint64))
    numbers = dice.permutation(numbers)[: shared + 2 * alone]
    common, mine, theirs = np.split(numbers, [shared, shared + alone])
    return np.sort(np.concatenate([common, mine])), np.sort(np.concatenate([common, theirs]))


def test_a_signature_is_the_least_of_each_hash() -> None:
    """By definition, one number at a time; a set larger than a part, an empty one, and small ones around them."""
    dice = np.random.default_rng(0)
    sets = [np.unique(dice.integers(0, 2**63, size, dtype=np.uint64)) for size in (3, TOGETHER + 5, 0, 1, 40)]
    found = signatures(sets)
    assert found.shape == (5, SIZE)
    for each, signature in zip(sets, found, strict=True):
        for at in (0, 1, SIZE - 1):
            hashes = [(int(x) * int(FACTORS[at]) + int(SHIFTS[at])) % 2**64 >> 32 for x in each]
            assert signature[at] == min(hashes, default=2**32 - 1)
    assert signatures([]).shape == (0, SIZE)


@pytest.mark.parametrize(("shared", "alone"), [(40, 5), (50, 25), (10, 45)])
def test_agreement_estimates_similarity(shared: int, alone: int) -> None:
    dice = np.random.default_rng(1)
    pairs = [pair(shared, alone, dice) for _ in range(300)]
    truth = shared / (shared + 2 * alone)
    assert similarity(*pairs[0]) == truth
    estimates = np.array([agreement(signatures([one])[0], signatures([other]))[0] for one, other in pairs])
    spread = np.sqrt(truth * (1 - truth) / SIZE)
    assert abs(estimates.mean() - truth) < 5 * spread / np.sqrt(300)
    assert 0.8 < estimates.std() / spread < 1.25


def test_bands_by_hand() -> None:
    assert bands_for(0.8) == (25, 5)  # (1 - 0.8^5)^25 = 0.00005, (1 - 0.8^6)^21 = 0.0017
    assert bands_for(0.5) == (64, 2)
    assert bands_for(1.0) == (1, 128)
    assert bands_for(0.01) == (128, 1)


def test_the_index_finds_what_theory_says() -> None:
    dice = np.random.default_rng(2)
    found = 0
    for _ in range(200):
        one, other = pair(80, 10, dice)  # exactly at the threshold
        index = Index(0.8)
        signed = signatures([one, other])
        keys = index.keys(signed)
        index.add(7, signed[0], keys[0])
        found += index.near(signed[1], keys[1]) == [7]
    assert found >= 198


def test_unlike_sets_do_not_meet_and_equal_ones_all_do() -> None:
    dice = np.random.default_rng(3)
    index = Index(0.8)
    signed = signatures([pair(5, 40, dice)[0] for _ in range(300)])
    for number, (signature, keys) in enumerate(zip(signed, index.keys(signed), strict=True)):
        assert index.near(signature, keys) == []
        index.add(number, signature, keys)
        index.add(1_000 + number, signature, keys)
        index.add(2_000 + number, signature, keys)
        assert index.near(signature, keys) == [number, 1_000 + number, 2_000 + number]
    assert index.near(signed[0], []) == []
