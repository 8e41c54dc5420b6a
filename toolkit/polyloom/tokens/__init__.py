"""Vocabularies: how text becomes ids, and ids text."""

from polyloom.tokens.byte import ByteVocabulary
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

__all__ = ["ByteVocabulary", "SentencePieceVocabulary", "Vocabulary", "WordVocabulary"]
