"""The kinds of vocabulary that a file may hold, as one table: the name in the manifest, the class that restores it."""

from collections.abc import Mapping
from typing import Any

from polyloom.errors import VocabularyError
from polyloom.music.blocks import BlockVocabulary
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens.byte import ByteVocabulary
from polyloom.tokens.foreign import ForeignVocabulary
from polyloom.tokens.foreign_sentencepiece import ForeignSentencePieceVocabulary
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

KINDS: dict[str, type[Vocabulary]] = {
    ByteVocabulary.kind: ByteVocabulary,
    WordVocabulary.kind: WordVocabulary,
    SentencePieceVocabulary.kind: SentencePieceVocabulary,
    ForeignVocabulary.kind: ForeignVocabulary,
    ForeignSentencePieceVocabulary.kind: ForeignSentencePieceVocabulary,
    MidiVocabulary.kind: MidiVocabulary,
    BlockVocabulary.kind: BlockVocabulary,
}


def kind_of(manifest: Mapping[str, Any]) -> type[Vocabulary]:
    """The class that a manifest names; VocabularyError with the known names if there is none."""
    name = manifest.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise VocabularyError(f"Unknown kind of vocabulary {name!r}; known are {', '.join(sorted(KINDS))}.")
    return KINDS[name]
