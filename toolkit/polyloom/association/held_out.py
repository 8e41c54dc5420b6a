"""Which documents to hold out when the caller names none: about one in twenty, chosen by content, never by order."""

import hashlib

from polyloom.documents import Ids

SHARE = 20  # one document in so many
ENOUGH = 200  # tokens; whatever is fitted on fewer would be noise


def set_aside(documents: list[Ids]) -> tuple[list[Ids], list[Ids]]:
    """The documents to learn from, and those held out; none are held out if they would be too few to fit anything."""
    chosen = [hashlib.sha256(document.tobytes()).digest()[0] * SHARE < 256 for document in documents]
    kept = [document for document, aside in zip(documents, chosen, strict=True) if not aside]
    aside = [document for document, aside in zip(documents, chosen, strict=True) if aside]
    return (kept, aside) if sum(map(len, kept)) and sum(map(len, aside)) >= ENOUGH else (documents, [])
