"""One vocabulary of each kind, learnt once."""

import pytest

from polyloom.music.blocks import BlockVocabulary
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens import (
    ByteVocabulary,
    ForeignSentencePieceVocabulary,
    ForeignVocabulary,
    SentencePieceVocabulary,
    Vocabulary,
    WordVocabulary,
)
from tokens.foreigners import byte_level, llama_model
from tokens.samples import TEXTS


@pytest.fixture(scope="session")
def texts() -> tuple[str, ...]:
    return TEXTS


@pytest.fixture(scope="session")
def vocabularies() -> dict[str, Vocabulary]:
    return {
        "bytes": ByteVocabulary(),
        "words": WordVocabulary.train(TEXTS),
        "unigram": SentencePieceVocabulary.train(TEXTS, size="auto"),
        "bpe": SentencePieceVocabulary.train(TEXTS, size=350, model="bpe"),
        "foreign": ForeignVocabulary(byte_level().to_str(), size=400),
        "llama": ForeignSentencePieceVocabulary(llama_model(), size=400),
        "blocks": BlockVocabulary(ByteVocabulary(), MidiVocabulary("remi", 4, 4)),
    }


@pytest.fixture(params=["bytes", "words", "unigram", "bpe", "foreign", "llama", "blocks"])
def vocabulary(request: pytest.FixtureRequest, vocabularies: dict[str, Vocabulary]) -> Vocabulary:
    return vocabularies[request.param]
