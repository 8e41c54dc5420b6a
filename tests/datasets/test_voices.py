"""Fifty words are enough to tell whose voice it is.

The judge is the simplest there is, multinomial naive Bayes, every voice equally likely beforehand:

    voice = argmax_v  Σ_w n(w) ln (c(w, v) + 1/2) / (c(v) + V/2)

The half is Jeffreys' prior; a whole one (Laplace) flattens voices of two thousand words too much.

It learns from the even documents of each voice and is asked about the odd ones, both cut into 50-word excerpts.
"""

import re

import numpy as np
import pytest

from polyloom_datasets import load

VOICES = ("sea", "kitchen", "contracts", "lullabies", "field_guide")
LENGTH = 50  # words


def excerpts(documents: tuple[str, ...]) -> list[list[str]]:
    """Consecutive excerpts of exactly `LENGTH` lower-case words; a shorter rest is left out."""
    words = re.findall(r"[a-z']+", " ".join(documents).lower())
    return [words[start : start + LENGTH] for start in range(0, len(words) - LENGTH + 1, LENGTH)]


class NaiveBayes:
    """Multinomial naive Bayes over words; words never seen in training say nothing."""

    def __init__(self, examples: list[list[str]], labels: np.ndarray):
        self.index = {word: i for i, word in enumerate(sorted({word for words in examples for word in words}))}
        classes = np.eye(labels.max() + 1)[labels]  # (example, class)
        counts = classes.T @ self.counts(examples) + 0.5  # (class, word)
        self.log_likelihood = np.log(counts / counts.sum(axis=1, keepdims=True))

    def counts(self, examples: list[list[str]]) -> np.ndarray:
        table = np.zeros((len(examples), len(self.index)))  # (example, word)
        for row, words in zip(table, examples, strict=True):
            np.add.at(row, [self.index[word] for word in words if word in self.index], 1)
        return table

    def scores(self, examples: list[list[str]]) -> np.ndarray:
        return self.counts(examples) @ self.log_likelihood.T  # (example, class)

    def predict(self, examples: list[list[str]]) -> np.ndarray:
        return self.scores(examples).argmax(axis=1)


def labelled(half: slice) -> tuple[list[list[str]], np.ndarray]:
    cut = [excerpts(load(name).documents[half]) for name in VOICES]
    return [words for voice in cut for words in voice], np.repeat(np.arange(len(VOICES)), [len(voice) for voice in cut])


@pytest.fixture(scope="module")
def even():
    return labelled(slice(0, None, 2))


@pytest.fixture(scope="module")
def odd():
    return labelled(slice(1, None, 2))


def test_judge_agrees_with_a_hand_worked_example():
    judge = NaiveBayes([["tide", "tide", "moon"], ["salt"], ["salt", "moon"]], np.array([0, 1, 1]))
    # Sea counts tide 2, moon 1, salt 0, a half more for each: of 4.5. Kitchen counts tide 0, moon 1, salt 2.
    expected = np.log([[(2.5 / 4.5) ** 2 * 1.5 / 4.5, (0.5 / 4.5) ** 2 * 1.5 / 4.5]])
    np.testing.assert_allclose(judge.scores([["tide", "tide", "moon", "unseen"]]), expected)


def test_fifty_words_tell_the_voices_apart(even, odd):
    examples, labels = odd
    guessed = NaiveBayes(*even).predict(examples)
    wrong = [f"{VOICES[told]} as {VOICES[heard]}" for told, heard in zip(labels, guessed, strict=True) if told != heard]
    assert np.bincount(labels).min() >= 30
    assert np.mean(guessed == labels) >= 0.95, wrong
    for label, name in enumerate(VOICES):
        assert np.mean(guessed[labels == label] == label) >= 0.85, name


def test_the_judge_knows_nothing_when_taught_nonsense(even, odd):
    """The control: with shuffled labels it is near one in five, so the score above is not the test's own doing."""
    examples, labels = even
    nonsense = NaiveBayes(examples, np.random.default_rng(0).permutation(labels))
    assert np.mean(nonsense.predict(odd[0]) == odd[1]) < 0.4
