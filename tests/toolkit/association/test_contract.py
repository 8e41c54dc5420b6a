"""Association models of every make keep the contract."""

from collections.abc import Callable

import pytest

from contract import LanguageModelContract
from polyloom import AssociationModel, ByteVocabulary, WordVocabulary
from polyloom_kernels.history import Memory

BYTES = "a byte, é, and another: the sea, the sea. \U0001f30a" * 3

MAKES: dict[str, Callable[[], AssociationModel]] = {
    "order 1 alone": lambda: AssociationModel.fit(
        "a b b c", WordVocabulary(list("abcd")), order=1, skips=False, history=False
    ),
    "order 1 and history": lambda: AssociationModel.fit("a b b c", WordVocabulary(list("abcd")), order=1, skips=False),
    "a short memory": lambda: AssociationModel.fit(
        ["a b a b a a c", "b c a", ""], WordVocabulary(["</s>", *"abcd"]), history=Memory((1, 3), 3, 2, half_life=0.5)
    ),
    "order 7 and skips that overlap": lambda: AssociationModel.fit(
        ["a b a b a a c", "b c a", ""], WordVocabulary(["</s>", *"abcd"]), order=7, skips=[(1,), (1, 2, 3), (9,)]
    ),
    "bytes": lambda: AssociationModel.fit([BYTES, BYTES[::-1]], ByteVocabulary(), order=3, keep_text=True),
    "one token counted": lambda: AssociationModel.fit("b", WordVocabulary(list("abc")), order=3),
    "a sum": lambda: (
        AssociationModel.fit(["a b a b a a c"], WordVocabulary(["</s>", *"abcd"]), keep_text=True)
        + AssociationModel.fit(["b c a d", "d"], WordVocabulary(["</s>", *"abcd"]), keep_text=True)
    ),
    "a vocabulary of one": lambda: AssociationModel.fit("a a a", WordVocabulary(["a"]), order=3),
}


@pytest.fixture(scope="module", params=["sea", "lullabies", *MAKES])
def model(request: pytest.FixtureRequest) -> AssociationModel:
    make = MAKES.get(request.param)
    return make() if make else request.getfixturevalue(request.param)


class TestAssociationModel(LanguageModelContract):
    pass
