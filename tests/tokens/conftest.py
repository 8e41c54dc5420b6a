"""One vocabulary of each kind, learnt once."""

import pytest

from polyloom.tokens import ByteVocabulary, SentencePieceVocabulary, Vocabulary, WordVocabulary
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
    }


@pytest.fixture(params=["bytes", "words", "unigram", "bpe"])
def vocabulary(request: pytest.FixtureRequest, vocabularies: dict[str, Vocabulary]) -> Vocabulary:
    return vocabularies[request.param]
