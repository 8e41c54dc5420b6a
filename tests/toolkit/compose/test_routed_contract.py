"""Routed models keep the contract, whoever chooses and however; mixes that hold them, and that they hold, too."""

from collections.abc import Callable

import pytest

from contract import LanguageModelContract
from polyloom import Blend, ByKeyword, ByLikelihood, Cascade, Gated, LanguageModel, Layer, Layered, Routed, Router
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS

ALL: dict[str, LanguageModel] = {"mix": Layered(COUNTS, {"b": Layer(OTHERS)}), "counts": COUNTS, "b": OTHERS}
EXAMPLES = {"counts": ["w1 w7 w50", "w3 w9"], "b": ["w2 w8", "w1 w100"], "mix": ["w4 w6", "w5 w5"]}
KEYWORDS = {"counts": ["w1", "w7", "w50"], "b": ["w2", "w8 w1", "w100"]}
MAKES: dict[str, Callable[[], LanguageModel]] = {
    "by likelihood": lambda: Routed(
        ByLikelihood(0.05, {"gated": 1, "counts": 3}),
        {"gated": Gated({"b": OTHERS, "counts": COUNTS}), "counts": COUNTS},
    ),
    "the likeliest, held": lambda: Routed(ByLikelihood(0.2), ALL, policy="best", hysteresis=0.3),
    "the likeliest by the prompt": lambda: Routed(ByLikelihood(0.2), ALL, policy=Blend(2), per="prompt"),
    "by keyword, held, in a mix": lambda: Layered(
        Routed(ByKeyword(KEYWORDS, 20), ALL, policy="best", hysteresis=0.5, fallback="mix"),
        {"b": Layer(OTHERS, 0.3)},
    ),
    "by what was learned from examples, the best two": lambda: Routed(
        Router.fit(EXAMPLES, window=20).with_threshold(0.3), ALL, policy=Blend(2), fallback="b"
    ),
    "a cascade of mixes, behind a gate": lambda: Gated(
        {
            "cascade": Routed(
                Cascade("counts", "mix", 4.0), {"counts": COUNTS, "mix": Layered(NETWORK, {"b": Layer(OTHERS)})}
            ),
            "b": OTHERS,
        }
    ),
}


@pytest.mark.long
class TestRouted(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()
