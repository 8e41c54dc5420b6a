"""The part of a decoded text that each token stands for, spaces included."""

from collections.abc import Sequence

from polyloom.tokens.vocabulary import Vocabulary


def spans(vocabulary: Vocabulary, ids: Sequence[int]) -> list[str]:
    """One piece of text for each id; together they are `decode(ids)` wherever decoding only ever adds to the end.

    A token whose text changes what stands before it (half of a character in bytes) gives its name instead.
    """
    found: list[str] = []
    before = ""
    for end, token in enumerate(ids, 1):
        text = vocabulary.decode(ids[:end])
        found.append(text[len(before) :] if text.startswith(before) else vocabulary.pieces[token])
        before = text
    return found
