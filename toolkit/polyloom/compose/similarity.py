"""How alike models are: not in what they are made of, but in what they say comes next, place by place of a text.

    similarity(a, b) = mean over the places t of on of  s( p_a(· | tokens before t), p_b(· | tokens before t) )

s is one of the `measures`, so the value is from 0 to 1, where 1 is the same.  Any two models of one vocabulary compare,
whatever they are.  It is a matter of the text: two models may agree on prose and differ on verse, so take held-out text
of the kind that is meant.  Every model reads its whole vocabulary at each place, once, in blocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from polyloom.compose.composite import a_model, check_member, named_members
from polyloom.compose.matrix import Matrix
from polyloom.compose.measures import Measure, measure_of
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.evaluate.mean import mean_of
from polyloom.model import Floats, LanguageModel
from polyloom.tokens.vocabulary import Vocabulary

Pairs: TypeAlias = Sequence[tuple[int, int]]

LIKELIEST = 10  # tokens whose overlap is taken


@dataclass(frozen=True)
class Similarity:
    """From 0 to 1, where 1 is the same: `value` and its 95 % `interval` over what was `drawn`; that of each text."""

    measure: str
    value: float
    interval: tuple[float, float]
    texts: tuple[float, ...]
    tokens: int
    drawn: str

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} ({low:.4f} – {high:.4f}), {self.measure}: {self.tokens:,} tokens, over {self.drawn}"


def similarity(
    a: LanguageModel, b: LanguageModel, on: Documents, measure: str = "jensen-shannon", k: int = LIKELIEST
) -> Similarity:
    """How alike two models are on the texts `on` (str, arrays of ids, iterables or mappings of them).

    `measure` is "jensen-shannon", "hellinger" or "top-k overlap" (of the `k` likeliest tokens).  `texts` of the answer
    has one value for each text that has a token.  Raises InputError for what is no model, no text, without a token or
    an unknown measure; VocabularyMismatch for models of different vocabularies.
    """
    of, ours = measure_of(measure, k), a_model("The first place", a)
    check_member("The second model", b, ours, "the first")
    return _similarity(measure, [alike[0] for alike in _along([ours, b], _read(on, ours.vocabulary), of, [(0, 1)])])


def similarity_matrix(
    models: Mapping[str, LanguageModel], on: Documents, measure: str = "jensen-shannon", k: int = LIKELIEST
) -> Matrix:
    """How alike each two of named models are: a symmetric table, 1 on its diagonal.

    The settings and the errors are those of `similarity`.  A block of each model is held at a time, 64 MB at most.
    """
    of, given = measure_of(measure, k), named_members(models)
    texts = _read(on, next(iter(given.values())).vocabulary)
    pairs = list(combinations(range(len(given)), 2))
    alike = np.concatenate(list(_along(list(given.values()), texts, of, pairs)), axis=1).mean(1)
    found = np.eye(len(given))
    for (a, b), value in zip(pairs, alike.tolist(), strict=True):
        found[a, b] = found[b, a] = value
    return Matrix(f"similarity, {measure}", tuple(given), tuple(given), found)


def nearest(
    model: LanguageModel | str,
    among: Mapping[str, LanguageModel],
    on: Documents,
    measure: str = "jensen-shannon",
    k: int = LIKELIEST,
) -> dict[str, Similarity]:
    """The models of `among` by how alike they are to `model`, the nearest first.

    `model` is a model, or the name of one of them; a model is not compared with itself.  The settings and the errors
    are those of `similarity`; InputError, too, if there is nothing to compare with.
    """
    of, given = measure_of(measure, k), named_members(among)
    ours = _named(model, given)
    others = {name: other for name, other in given.items() if other is not ours}
    if not others:
        raise InputError("There is no other model to compare with: name at least two.")
    first, second = next(iter(others.items()))
    check_member("The model", ours, second, repr(first))
    pairs = [(0, n) for n in range(1, 1 + len(others))]
    found = list(_along([ours, *others.values()], _read(on, ours.vocabulary), of, pairs))
    named = {name: _similarity(measure, [alike[n] for alike in found]) for n, name in enumerate(others)}
    return dict(sorted(named.items(), key=lambda each: -each[1].value))


def _along(models: Sequence[LanguageModel], texts: Sequence[Ids], of: Measure, pairs: Pairs) -> Iterator[Floats]:
    """Of each text how alike pairs of models are at its places, float64 (pairs, T)."""
    for ids in texts:
        found, start = np.empty((len(pairs), len(ids))), 0
        for blocks in zip(*(model.log_probs(ids) for model in models), strict=True):
            rows = [np.asarray(block, np.float64) for block in blocks]
            here = slice(start, start + len(rows[0]))
            for alike, (a, b) in zip(found, pairs, strict=True):
                alike[here] = of(rows[a], rows[b])
            start = here.stop
        yield found


def _similarity(measure: str, texts: Sequence[Floats]) -> Similarity:
    figure, drawn = mean_of(texts)
    values = tuple(float(alike.mean()) for alike in texts)
    return Similarity(measure, figure.value, (figure.low, figure.high), values, sum(map(len, texts)), drawn)


def _read(on: Documents, vocabulary: Vocabulary) -> list[Ids]:
    """The texts that hold a token; InputError if none does."""
    texts = [ids for ids in encoded(on, vocabulary) if len(ids)]
    if not texts:
        raise InputError("Comparing models needs a text with at least one token; `on` holds none.")
    return texts


def _named(model: object, among: Mapping[str, LanguageModel]) -> LanguageModel:
    if not isinstance(model, str):
        return a_model("The first place", model)
    if model not in among:
        raise InputError(f"No model {model!r}; known are {', '.join(among)}.")
    return among[model]
