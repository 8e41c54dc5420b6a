"""Who speaks for a token, without an explanation of it: the same parts, here or some tokens ago."""

from typing import Any

import numpy as np
import pytest

from contract import distribution
from polyloom import AssociationModel, Explanation, InputError, Layer, Layered, Sampling
from polyloom.compose.pooled_place import RECALLED
from polyloom.generate import Speculation
from toolkit.compose.constant import Constant, Place, random_models


class Fluent(Constant):
    """Reads several tokens at once, as a transformer does, and cannot explain itself."""

    def begin(self, prompt: Any = ()) -> "FluentPlace":
        return FluentPlace(self, self.ids(prompt))


class FluentPlace(Place):
    def extend(self, tokens: Any) -> np.ndarray:
        ids = self.model.ids(tokens)
        for token in ids.tolist():
            self.advance(token)
        return self.model.rows[ids]

    def shares(self, token: Any, ago: int = 0) -> dict[str, float]:
        return {"fluent": 1.0}

    def _explain(self, token: int) -> Explanation:
        raise NotImplementedError


MIXES: dict[str, Any] = {
    "linear": lambda a, b: Layered(a, {"b": Layer(b, 0.4)}),
    "a silent layer": lambda a, b: Layered(a, {"b": Layer(b, 0.4), "off": Layer(a, 0)}),
    "log": lambda a, b: Layered(a, {"b": Layer(b, 0.7)}, "log"),
    "a contrast": lambda a, b: Layered(a, {"b": Layer(b, -0.3), "off": Layer(b, 0)}, "log", weight=1.2),
    "a mix of mixes": lambda a, b: Layered(
        Layered(a, {"b": Layer(b, 0.7)}, "log"), {"a": Layer(a, 0.5), "b": Layer(b, 2)}, name="inner"
    ),
}


@pytest.mark.parametrize("name", MIXES)
def test_shares_are_those_of_the_explanation(name: str, sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = MIXES[name](sea, lullabies)
    place = mix.begin("At night the sea")
    for token in np.random.default_rng(0).integers(0, mix.vocabulary.size, 12).tolist():
        assert place.shares(token) == pytest.approx(place.explain(token).shares(), abs=1e-15)
        assert list(place.shares(token)) == list(mix.layers)
        place.advance(token)
    assert place.shares("night") == place.shares(mix.vocabulary.id_of("night"))
    assert sea.begin("At night").shares("the") == sea.explain("At night", "the").shares()


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("fluent", [False, True])
def test_shares_of_some_tokens_ago(name: str, fluent: bool) -> None:
    models = random_models(5, 2)
    plain = MIXES[name](*models)
    mix = MIXES[name](*(Fluent(one.vocabulary, one.rows) for one in models)) if fluent else plain
    text = np.random.default_rng(1).integers(0, 5, RECALLED + 9).tolist()
    for at_once in (4, RECALLED + 4):
        place = mix.begin(text[:5])
        place.extend(text[5 : 5 + at_once])
        for ago in (0, 1, 3, at_once, at_once + 2):
            expected = plain.begin(text[: 5 + at_once - ago])
            assert place.shares(2, ago) == pytest.approx(expected.explain(2).shares(), abs=1e-12)
        place.advance(1)
        assert place.shares(2) == pytest.approx(plain.begin([*text[: 5 + at_once], 1]).explain(2).shares(), abs=1e-12)


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_reads_at_once_what_its_layers_can(name: str) -> None:
    models = random_models(5, 2)
    mix, plain = MIXES[name](*(Fluent(one.vocabulary, one.rows) for one in models)), MIXES[name](*models)
    place, other = mix.begin([0, 1]), plain.begin([0, 1])
    np.testing.assert_allclose(place.extend([2, 3, 4]), other.extend([2, 3, 4]), atol=1e-12)
    np.testing.assert_allclose(distribution(place), distribution(other), atol=1e-12)
    assert [member.tokens.tolist() for member in place.members] == [[0, 1, 2, 3, 4]] * len(place.members)
    assert place.extend([]).shape == (0, 5)
    with pytest.raises(InputError):
        place.extend([0, 9])
    assert place.tokens.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["alone", *MIXES])
def test_going_back_is_having_stopped_there(name: str, sea: AssociationModel, lullabies: AssociationModel) -> None:
    model = sea if name == "alone" else MIXES[name](sea, lullabies)
    place = model.begin("At night the sea is")
    place.extend(model.ids("cold and"))
    whole = place.tokens.tolist()
    for n in (0, 1, 3, len(whole)):
        back = place.back(n)
        assert back.tokens.tolist() == whole[: len(whole) - n]
        np.testing.assert_array_equal(distribution(back), distribution(model.begin(back.tokens)))
        back.advance(0)
        assert place.tokens.tolist() == whole
    for n in (-1, len(whole) + 1, 1.5):
        with pytest.raises(InputError, match="n must be"):
            place.back(n)


@pytest.mark.parametrize("name", MIXES)
def test_writing_makes_no_explanation(name: str) -> None:
    mix = MIXES[name](*(Fluent(one.vocabulary, one.rows) for one in random_models(16, 2)))
    plain = mix.generate([2], Sampling(0, max_tokens=20))
    assert mix.generate([2], Sampling(0, max_tokens=20), Speculation("lookup")) == plain
    assert list(plain.steps[0].shares) == list(mix.layers)
