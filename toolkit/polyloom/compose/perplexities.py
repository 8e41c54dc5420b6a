"""Which model knows which text: the perplexity of each model on each text."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from polyloom.compose.composite import named_members
from polyloom.compose.matrix import Matrix
from polyloom.documents import Documents, encoded
from polyloom.errors import InputError
from polyloom.evaluate.perplexity import perplexity
from polyloom.model import LanguageModel


def perplexity_matrix(models: Mapping[str, LanguageModel], texts: Mapping[str, Documents]) -> Matrix:
    """Named models, a row each, on named texts, a column each: `values` float64 (models, texts).

    A text is whatever documents are: the held-out part of `weave` goes in whole.  Perplexity depends on how text is cut
    into tokens, so VocabularyMismatch if the models speak different vocabularies; InputError for what is no mapping of
    models or of texts, and for a text without a token.
    """
    given = named_members(models)
    if not isinstance(texts, Mapping) or not texts:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(f'Expected texts by name, such as {{"tales": text}}, got {type(texts).__name__}.')
    vocabulary = next(iter(given.values())).vocabulary
    read = {
        str(name): list(encoded(text, vocabulary)) for name, text in cast("Mapping[object, Documents]", texts).items()
    }
    for name, documents in read.items():
        if not sum(map(len, documents)):
            raise InputError(f"The text {name!r} holds no token: perplexity needs at least one.")
    found = [[perplexity(model, documents) for documents in read.values()] for model in given.values()]
    return Matrix("perplexity", tuple(given), tuple(read), np.array(found))
