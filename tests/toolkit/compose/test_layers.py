"""Layers come, go and fall silent: each gives another mix of the same members, and the one before stays as it was."""

from typing import Any

import numpy as np
import pytest

from contract import distribution, fingerprint
from polyloom import AssociationModel, InputError, Layer, Layered, VocabularyMismatch, WordVocabulary
from polyloom.compose.pool import POOLS


@pytest.fixture(params=POOLS)
def mix(request: pytest.FixtureRequest, sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, request.param, name="sea")


def test_a_layer_comes_last_and_the_others_stay(mix: Layered, sea: AssociationModel) -> None:
    before = fingerprint(mix)
    more = mix.add("again", sea, 0.25)
    assert more.weights == {"sea": 1, "lullabies": 0.4, "again": 0.25}
    assert list(mix.layers) == ["sea", "lullabies"]
    assert all(more.models[name] is model for name, model in mix.models.items())
    assert (more.pool, fingerprint(mix)) == (mix.pool, before)
    by_hand = Layered(sea, {**dict(list(mix.layers.items())[1:]), "again": Layer(sea, 0.25)}, mix.pool, name="sea")
    np.testing.assert_array_equal(distribution(more.begin("At")), distribution(by_hand.begin("At")))


def test_a_layer_is_added_as_a_model_or_as_a_layer(mix: Layered, sea: AssociationModel) -> None:
    assert mix.add("again", sea).weights["again"] == 1
    assert mix.add("again", Layer(sea, 0.3)).weights["again"] == 0.3
    assert mix.add("again", mix).models["again"] is mix
    with pytest.raises(InputError, match=r"brings its weight, 0\.3"):
        mix.add("again", Layer(sea, 0.3), 0.5)


def test_added_and_removed_is_what_was(mix: Layered, sea: AssociationModel) -> None:
    again = mix.add("again", sea).remove("again")
    assert (again.weights, again.digest) == (mix.weights, mix.digest)


def test_what_cannot_be_added(mix: Layered, sea: AssociationModel) -> None:
    with pytest.raises(InputError, match="'sea' already"):
        mix.add("sea", sea)
    with pytest.raises(InputError, match="must be a finite number"):
        mix.add("again", sea, float("nan"))
    with pytest.raises(VocabularyMismatch, match="'abc' speaks"):
        mix.add("abc", AssociationModel.fit("a b", WordVocabulary(["a", "b"]), order=1, skips=False))
    wrong: list[Any] = [None, "sea", {"sea": sea}, AssociationModel]
    for model in wrong:
        with pytest.raises(InputError, match="expected a model"):
            mix.add("again", model)
    with pytest.raises(InputError, match="name of a layer as text"):
        mix.add(5, sea)


def test_without_the_base_the_next_is_first(mix: Layered, lullabies: AssociationModel) -> None:
    left = mix.remove("sea")
    assert left.weights == {"lullabies": 0.4}
    assert left.pool == mix.pool
    alone = Layered(lullabies, {}, mix.pool, weight=0.4)
    np.testing.assert_array_equal(distribution(left.begin("At")), distribution(alone.begin("At")))


def test_what_cannot_be_removed(mix: Layered) -> None:
    with pytest.raises(InputError, match="No layer 'law'; the layers are sea, lullabies"):
        mix.remove("law")
    with pytest.raises(InputError, match="'lullabies' is the only layer"):
        mix.remove("sea").remove("lullabies")
    with pytest.raises(InputError, match=r"All weights are zero \(lullabies\)"):
        mix.with_weights(lullabies=0).remove("sea")


def test_only_the_active_speak_and_all_stay(mix: Layered, lullabies: AssociationModel) -> None:
    alone = mix.activate("lullabies")
    assert alone.weights == {"sea": 0, "lullabies": 0.4}
    assert alone.with_weights(mix.weights).digest == mix.digest
    expected = distribution(Layered(lullabies, {}, mix.pool, weight=0.4).begin("At"))
    np.testing.assert_allclose(distribution(alone.begin("At")), expected, atol=1e-12)
    assert mix.activate("sea", "lullabies").weights == mix.weights


def test_who_was_silent_speaks_at_one(mix: Layered) -> None:
    assert mix.activate("sea").activate("lullabies").weights == {"sea": 0, "lullabies": 1}


def test_who_cannot_be_activated(mix: Layered) -> None:
    with pytest.raises(InputError, match="at least one layer that shall speak; the layers are sea, lullabies"):
        mix.activate()
    with pytest.raises(InputError, match="No layer 'law'"):
        mix.activate("sea", "law")


def test_the_silent_are_not_asked(mix: Layered, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer at 0 costs nothing but its state."""
    alone = mix.activate("lullabies")
    place = alone.begin("At night")
    monkeypatch.setattr(place.members[0], "distribution", lambda: pytest.fail("asked"))
    place.distribution()
    place.top(3)
    place.advance(0)
    place.distribution()
