"""What a model holds, read out of its tapes one number at a time, as `brute_force` names things."""

import numpy as np

from polyloom import AssociationModel
from polyloom.association.gate import FLOOR
from toolkit.association import brute_force as brute
from toolkit.association.brute_mixture import Mixture

TAPES = ("directory", "pieces", "numbers", "reals")


def rows(documents: list[list[int]]) -> list[np.ndarray]:
    """Documents as a model takes them."""
    return [np.array(tokens, np.int64) for tokens in documents]


def contexts(model: AssociationModel, level: int) -> list[brute.Gram]:
    """The context of each node of a level, nearest token first; the nodes of one parent must ascend."""
    parent, size = model.shapes[level].parent, model.vocabulary.size
    if parent < 0:
        return [()]
    starts, tokens = model.store.children(level).tolist(), model.store.tokens(level).tolist()
    found: list[brute.Gram] = []
    for above, context in enumerate(contexts(model, parent)):
        children = tokens[starts[above] : starts[above + 1]]
        assert children == sorted(set(children))
        found += [(*context, brute.BEGIN if token == size else token) for token in children]
    assert starts[0] == 0
    assert starts[-1] == len(tokens)
    return found


def entries(model: AssociationModel, level: int) -> brute.Counts:
    """How often each token came after each context of a level; the tokens of one row must ascend."""
    store = model.store
    starts, tokens, counts = (part(level).tolist() for part in (store.rows, store.next, store.counts))
    found: brute.Counts = {}
    for node, context in enumerate(contexts(model, level)):
        row = slice(starts[node], starts[node + 1])
        assert tokens[row] == sorted(set(tokens[row]))
        found |= {(*context, token): count for token, count in zip(tokens[row], counts[row], strict=True)}
    assert starts[0] == 0
    assert starts[-1] == len(tokens)
    return found


def ngrams(model: AssociationModel) -> list[brute.Counts]:
    """The raw n-gram counts, by order; oldest token first."""
    found: list[brute.Counts] = []
    for level in range(model.order):
        counts = entries(model, level)
        found.append({(*reversed(gram[:-1]), gram[-1]): count for gram, count in counts.items()})
    return found


def skips(model: AssociationModel) -> dict[tuple[int, ...], brute.Counts]:
    """The raw counts of each skip template; nearest token first."""
    asked = [(n, shape.path) for n, shape in enumerate(model.shapes) if shape.asked and not shape.chained]
    return {path: entries(model, level) for level, path in asked}


def mixture(model: AssociationModel) -> Mixture:
    """The components again, derived from nothing but the raw counts that the model holds."""
    vocabulary = model.vocabulary
    return Mixture.of(ngrams(model), skips(model), model.memory, vocabulary.size, vocabulary.sentence_end)


def shares(model: AssociationModel, again: Mixture, read: list[int]) -> list[float]:
    """How loudly each component speaks after what was read."""
    return again.shares(read, model.gate.weights.tolist(), FLOOR)


def same_tapes(ours: AssociationModel, theirs: AssociationModel) -> bool:
    """Whether two models hold the same counts and all that is derived from them, bit for bit."""
    pairs = ((getattr(ours.store, name), getattr(theirs.store, name)) for name in TAPES)
    return ours.shapes == theirs.shapes and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs
    )
