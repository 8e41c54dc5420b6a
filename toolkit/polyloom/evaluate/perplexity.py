"""Perplexity: exp(−(1/N) Σ ln p(token | what stands before it in its document)) over exactly the tokens given.

A model of perplexity P is as unsure, on average, as if it chose fairly among P words.
"""

import numpy as np

from polyloom.documents import Documents, encoded
from polyloom.errors import InputError
from polyloom.protocols import Scores


def perplexity(model: Scores, documents: Documents) -> float:
    """Of a model on documents (str, arrays of ids, iterables or mappings of them); InputError if they hold no token."""
    found = [model.log_likelihood(tokens) for tokens in encoded(documents, model.vocabulary)]
    together = np.concatenate(found) if found else np.empty(0)
    if not len(together):
        raise InputError("Perplexity needs at least one token; the documents hold none.")
    return float(np.exp(-together.mean()))
