"""Turns as counts, and counts as a model: the one way in which a memory learns.

Each turn is a document of its own: its context is seen and not counted.  So the counts of several turns are the sum of
those of each, in whatever order and however they are grouped, and what is left after forgetting is exactly what a
memory would hold that never heard it.
"""

from collections.abc import Sequence

import numpy as np

from polyloom.association.counts import Counts, Shape
from polyloom.association.derived import derived
from polyloom.association.gate import Gate
from polyloom.association.model import AssociationModel
from polyloom.association.text import Places, Text
from polyloom.memory.turn import Turn
from polyloom.tokens.vocabulary import Vocabulary
from polyloom_kernels.gate import shape_of


def counted(turns: Sequence[Turn], vocabulary: Vocabulary, levels: tuple[Shape, ...]) -> Counts:
    """What came after what in these turns, at least one of which says something."""
    text = _text(turns)
    lengths = np.array([(len(turn.context), len(turn.tokens)) for turn in turns]).ravel()
    own = np.repeat(np.tile([False, True], len(turns)), lengths)
    every = Places.of(text, vocabulary.sentence_end, vocabulary.size)[: len(own)]
    places = Places(text.tokens, every.at[own], every.in_document[own], every.in_chain[own], every.begin)
    return Counts.of(places, text.tokens[own], levels)


def model_of(turns: Sequence[Turn], vocabulary: Vocabulary, levels: tuple[Shape, ...]) -> AssociationModel:
    """A model of these turns; it shows where it heard something, unless a context would be taken for heard."""
    store = derived(counted(turns, vocabulary, levels))
    order, tables = sum(shape.chained for shape in levels), sum(shape.asked for shape in levels)
    gate = Gate.unfitted(*shape_of(tables, order, 0))
    plain = not any(len(turn.context) for turn in turns)
    return AssociationModel(vocabulary, store, levels, gate, None, _text(turns) if plain else None)


def _text(turns: Sequence[Turn]) -> Text:
    return Text.join(np.concatenate([turn.context, turn.tokens]) for turn in turns)
