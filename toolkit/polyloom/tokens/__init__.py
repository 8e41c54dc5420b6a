"""Vocabularies: how text becomes ids, and ids text."""

from polyloom.tokens.byte import ByteVocabulary
from polyloom.tokens.foreign import ForeignVocabulary
from polyloom.tokens.foreign_sentencepiece import ForeignSentencePieceVocabulary
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

__all__ = [
    "ByteVocabulary",
    "ForeignSentencePieceVocabulary",
    "ForeignVocabulary",
    "SentencePieceVocabulary",
    "Vocabulary",
    "WordVocabulary",
]
