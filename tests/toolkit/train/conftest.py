"""What the tests of training share: one thread, a small vocabulary, texts with a pattern, and a model small enough."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from polyloom import WordVocabulary
from polyloom.train.settings import Training
from polyloom.transformer.config import Attention, Experts, TransformerConfig


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def vocabulary() -> WordVocabulary:
    return WordVocabulary(["</s>", *(f"w{n}" for n in range(15))])


@pytest.fixture(scope="session")
def documents() -> list[np.ndarray]:
    """Counting by ones or twos from anywhere, each closed by `</s>`."""
    dice = np.random.default_rng(0)
    found: list[np.ndarray] = []
    for _ in range(500):
        first, stride = dice.integers(0, 15), dice.integers(1, 3)
        counted = (first + stride * np.arange(dice.integers(6, 20))) % 15 + 1
        found.append(np.append(counted, 0))
    return found


@pytest.fixture(scope="session")
def config(vocabulary: WordVocabulary) -> TransformerConfig:
    return TransformerConfig(vocabulary.size, width=16, layers=2, context=16, attention=Attention(2), begin=0)


@pytest.fixture(scope="session")
def mixed(vocabulary: WordVocabulary) -> TransformerConfig:
    """With experts and with dropout: all that could be left to chance."""
    experts = Experts(4, 2, size=16)
    return TransformerConfig(
        vocabulary.size, width=16, layers=2, context=16, attention=Attention(2), experts=experts, dropout=0.1, begin=0
    )


@pytest.fixture(scope="session")
def training() -> Training:
    return Training(steps=12, batch=4, evaluate_every=5, save_every=4, sample_tokens=0, seed=3)
