"""Layers under faders: the arithmetic of a mix, its checks, and weights fitted to text."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import distribution, fingerprint
from polyloom import (
    AssociationModel,
    FileError,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    VocabularyMismatch,
    WordVocabulary,
    load,
)
from polyloom.compose.weave import HeldOut
from polyloom.files import DEEPEST

CONTEXTS = ("", "At night the", "the of and a the of", "Sleep")
ABC = WordVocabulary(["</s>", *"abc"])


@pytest.fixture(scope="module")
def mix(sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, name="sea")


# arithmetic


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_mix_is_the_weighted_mean(
    mix: Layered, sea: AssociationModel, lullabies: AssociationModel, context: str
) -> None:
    ours, theirs = (np.exp(distribution(model.begin(context))) for model in (sea, lullabies))
    np.testing.assert_allclose(np.exp(distribution(mix.begin(context))), (ours + 0.4 * theirs) / 1.4, rtol=1e-12)


def test_terms_are_the_shares_of_the_layers_and_open_as_their_accounts(mix: Layered) -> None:
    for token in ("tide", "moon", "</s>"):
        explanation = mix.explain("At night the", token)
        assert [term.name for term in explanation.terms] == ["sea", "lullabies"]
        for term, weight, model in zip(explanation.terms, (1 / 1.4, 0.4 / 1.4), mix.models.values(), strict=True):
            assert term.child == model.explain("At night the", token)
            assert term.contribution == pytest.approx(weight * term.child.total, abs=1e-15)
            chance = np.exp(distribution(model.begin("At night the"))[model.token_id(token)])
            assert term.child.total == pytest.approx(chance, rel=2e-6)


def test_taking_a_layer_out_takes_out_exactly_its_term(mix: Layered) -> None:
    """p = Σ w_k p_k / W.  Without k the mix is (W p − w_k p_k) / (W − w_k)."""
    weights, whole = mix.weights, sum(mix.weights.values())
    for token in ("tide", "moon"):
        explanation = mix.explain("At night the", token)
        for term in explanation.terms:
            without = mix.with_weights(**{term.name: 0}).explain("At night the", token).total
            rescaled = without * (whole - weights[term.name]) / whole
            assert explanation.total - rescaled == pytest.approx(term.contribution, abs=1e-14)


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_only_the_proportions_of_weights_matter(one: float, two: float) -> None:
    model = AssociationModel.fit("a b", ABC, order=1, skips=False)
    mix = Layered(model, {"two": Layer(model, two)}, weight=one)
    assert math.isclose(mix.factors.sum(), 1)
    if 1e-9 < one / two < 1e9:
        np.testing.assert_allclose(mix.factors, [one / two / (one / two + 1), 1 / (one / two + 1)], rtol=1e-9)


def test_weights_as_large_as_floats_go() -> None:
    model = AssociationModel.fit("a b", ABC, order=1, skips=False)
    loud = Layered(model, {"two": Layer(model, 1.7e308)}, weight=1.7e308)
    np.testing.assert_array_equal(loud.factors, [0.5, 0.5])
    np.testing.assert_allclose(distribution(loud.begin()), distribution(model.begin()))


def test_a_layer_at_zero_is_as_good_as_absent(mix: Layered, sea: AssociationModel) -> None:
    alone = mix.with_weights(lullabies=0)
    for context in CONTEXTS:
        np.testing.assert_array_equal(
            distribution(alone.begin(context)), np.log(np.exp(distribution(sea.begin(context))))
        )
        assert alone.explain(context, "tide").terms[1].contribution == 0


def test_the_base_is_a_layer_like_the_others(sea: AssociationModel, lullabies: AssociationModel) -> None:
    one_way = Layered(sea, {"b": Layer(lullabies, 3)}, name="a", weight=2)
    other_way = Layered(lullabies, {"a": Layer(sea, 2)}, name="b", weight=3)
    np.testing.assert_allclose(distribution(one_way.begin("The")), distribution(other_way.begin("The")))
    assert one_way.weights == {"a": 2, "b": 3}
    assert list(one_way.layers) == ["a", "b"]


def test_a_mix_of_mixes_is_the_mix_of_its_leaves(mix: Layered, sea: AssociationModel) -> None:
    """1/2 · (1/1.4 sea + 0.4/1.4 lullabies) + 1/2 · sea."""
    deep = Layered(mix, {"sea": Layer(sea)})
    flat = mix.with_weights(sea=1 / 1.4 + 1, lullabies=0.4 / 1.4)
    for context in CONTEXTS:
        np.testing.assert_allclose(distribution(deep.begin(context)), distribution(flat.begin(context)), rtol=1e-12)
    inner = deep.explain("At night the", "tide").terms[0].child
    assert inner is not None
    assert [term.name for term in inner.terms] == ["sea", "lullabies"]


# values


def test_a_moved_fader_is_another_mix(mix: Layered) -> None:
    before = fingerprint(mix)
    louder = mix.with_weights(lullabies=2)
    assert (mix.weights, louder.weights) == ({"sea": 1, "lullabies": 0.4}, {"sea": 1, "lullabies": 2})
    assert all(louder.models[name] is model for name, model in mix.models.items())
    assert fingerprint(mix) == before != fingerprint(louder)
    assert mix.with_weights().digest == mix.digest


def test_the_same_weight_in_any_number_type_is_the_same_mix(sea: AssociationModel, lullabies: AssociationModel) -> None:
    digests = {Layered(sea, {"b": Layer(lullabies, one)}).digest for one in (1, 1.0, np.float32(1), np.int64(1), True)}
    assert len(digests) == 1


def test_later_changes_of_the_callers_mapping_change_nothing(
    sea: AssociationModel, lullabies: AssociationModel
) -> None:
    layers = {"b": Layer(lullabies)}
    mix = Layered(sea, layers)
    layers["b"] = Layer(lullabies, 9)
    assert mix.weights == {"base": 1, "b": 1}


def test_names_need_not_be_identifiers(sea: AssociationModel, lullabies: AssociationModel) -> None:
    mix = Layered(sea, {"field notes": Layer(lullabies)})
    assert mix.with_weights(**{"field notes": 0.5}).weights["field notes"] == 0.5


def test_repr_shows_the_faders(mix: Layered) -> None:
    assert repr(mix) == "<Layered sea 1, lullabies 0.4>"


def test_rebinding_replays_only_what_is_new(
    mix: Layered, lullabies: AssociationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[AssociationModel] = []
    begin = AssociationModel.begin
    monkeypatch.setattr(
        AssociationModel, "begin", lambda model, prompt=(): started.append(model) or begin(model, prompt)
    )
    place = mix.begin("At night the")
    started.clear()
    place.rebind(mix.with_weights(sea=2))
    place.rebind(mix.models["sea"])
    place.rebind(Layered(mix, {"again": Layer(lullabies)}))
    assert started == []
    sea_alone = mix.models["sea"].begin("At night the")
    started.clear()
    sea_alone.rebind(mix)
    assert started == [lullabies]


def test_forks_share_the_text_until_they_part(mix: Layered) -> None:
    place = mix.begin(np.zeros(1_000, np.int64))
    fork = place.fork()
    assert np.shares_memory(place.tokens, fork.tokens)
    place.advance(1)
    fork.advance(2)
    assert (place.tokens[-1], fork.tokens[-1]) == (1, 2)


# checks


def test_mixes_nested_too_deep_to_be_read_are_not_written(sea: AssociationModel, tmp_path: Path) -> None:
    deep: LanguageModel = sea
    for _ in range(DEEPEST):
        deep = Layered(deep, {})
    assert load(deep.save(tmp_path / "deep.psamc")).digest == deep.digest
    for members in ("embed", "reference"):
        with pytest.raises(FileError, match="nested 17 deep here; a file holds 16"):
            Layered(deep, {}).save(tmp_path / "deeper.psamc", members)
    assert [place.name for place in tmp_path.iterdir()] == ["deep.psamc"]


def test_what_is_no_table_is_refused(sea: AssociationModel) -> None:
    wrong: Any
    for wrong in ([sea], None, sea):
        with pytest.raises(InputError, match="Expected layers by name, such as"):
            Layered(sea, wrong)
    for wrong in ([0.5], 0.5, "base"):
        with pytest.raises(InputError, match="Expected weights by layer, such as"):
            Layered(sea, {}).with_weights(wrong)
    wrong = ["base"]
    with pytest.raises(InputError, match=r"No layer \['base'\]; the layers are base"):
        Layered(sea, {}).activate(wrong)
    wrong = "sea"
    with pytest.raises(InputError, match="Expected the model that shall read the text, got a str"):
        sea.begin().rebind(wrong)


@pytest.mark.parametrize("weight", [-0.1, math.inf, -math.inf, math.nan, "loud", None, 10**400])
def test_a_weight_that_is_none_is_refused(sea: AssociationModel, lullabies: AssociationModel, weight: float) -> None:
    with pytest.raises(InputError, match="'poems' must be a finite number of 0 or more"):
        Layered(sea, {"poems": Layer(lullabies, weight)})
    with pytest.raises(InputError, match="'base' must be a finite number of 0 or more"):
        Layered(sea, {}, weight=weight)
    with pytest.raises(InputError, match="'base' must be a finite number of 0 or more"):
        Layered(sea, {}).with_weights(base=weight)


def test_silence_is_refused(mix: Layered) -> None:
    with pytest.raises(InputError, match=r"All weights are zero \(sea, lullabies\)"):
        mix.with_weights(sea=0, lullabies=0)


def test_an_unknown_fader_lists_the_known_ones(mix: Layered) -> None:
    with pytest.raises(InputError, match="No layer 'law'; the layers are sea, lullabies"):
        mix.with_weights(law=1)


def test_a_repeated_name_is_refused(sea: AssociationModel, lullabies: AssociationModel) -> None:
    with pytest.raises(InputError, match="called 'base' already"):
        Layered(sea, {"base": Layer(lullabies)})


def test_an_unknown_pool_is_refused(sea: AssociationModel) -> None:
    for pool in ("harmonic", "", None, 5):
        with pytest.raises(InputError, match=r"Unknown pool .*; known are linear, log"):
            Layered(sea, {}, pool=pool)


def test_a_bare_model_is_refused(sea: AssociationModel, lullabies: AssociationModel) -> None:
    layers: Mapping[str, object] = {"poems": lullabies}
    with pytest.raises(InputError, match=r"expected Layer\(model, weight\)"):
        Layered(sea, layers)


def test_another_vocabulary_is_refused_with_both_named_and_the_way_out(sea: AssociationModel) -> None:
    stranger = AssociationModel.fit("a b", ABC)
    with pytest.raises(VocabularyMismatch) as caught:
        Layered(sea, {"poems": Layer(stranger)})
    for part in ("'poems'", ABC.digest[:8], "4 pieces", sea.vocabulary.digest[:8], "polyloom.weave"):
        assert part in str(caught.value)


def test_an_equal_vocabulary_need_not_be_the_same_object(sea: AssociationModel) -> None:
    copy = WordVocabulary(sea.vocabulary.pieces)
    model = AssociationModel.fit("the sea", copy, order=1, skips=False)
    assert Layered(sea, {"copy": Layer(model)}).vocabulary == copy


# fitting


def gains(mix: Layered, tokens: list[np.ndarray]) -> np.ndarray:
    """mean_t p_k(t) / p(t): at the optimum 1 for a layer that speaks, at most 1 for one that is silent."""
    likelihoods = np.concatenate([mix.member_log_likelihoods(row) for row in tokens], axis=1)
    mixed = mix.factors @ np.exp(likelihoods)
    return (np.exp(likelihoods) / mixed).mean(1)


def test_fitted_weights_are_the_optimum(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    for name, tokens in held_out.items():
        fitted = mix.fit_weights(tokens)
        assert gains(fitted, tokens).max() <= 1 + 1e-6
        assert max(fitted.weights, key=fitted.weights.__getitem__) == name
        assert max(fitted.weights.values()) == 1
        assert fitted.perplexity(tokens) <= mix.perplexity(tokens)


def test_fitted_weights_of_all_voices_hear_all_voices(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    fitted = mix.fit_weights(held_out)
    np.testing.assert_allclose(gains(fitted, [row for rows in held_out.values() for row in rows]), 1, atol=1e-6)
    assert min(fitted.weights.values()) > 0.3


def test_fitted_weights_beat_every_other_on_a_grid(sea: AssociationModel, lullabies: AssociationModel) -> None:
    text = ["At night the moon is on the sea.", "Sleep, little one, the tide is out.", "The mate said nothing."]
    mix = Layered(sea, {"lullabies": Layer(lullabies)})
    best = mix.fit_weights(text).perplexity(text)
    for weight in np.linspace(0.01, 0.99, 99):
        assert best <= mix.with_weights(base=weight, lullabies=1 - weight).perplexity(text) * (1 + 1e-9)


def test_a_layer_that_only_harms_is_switched_off(sea: AssociationModel) -> None:
    """A uniform model beside one that knows the text by heart."""
    uniform = AssociationModel.fit(np.arange(sea.vocabulary.size), sea.vocabulary, order=1, skips=False)
    knows = AssociationModel.fit("the sea the sea the sea", sea.vocabulary, order=3, skips=False)
    fitted = Layered(knows, {"uniform": Layer(uniform)}).fit_weights("the sea the sea")
    assert fitted.weights == {"base": 1, "uniform": 0}


def test_layers_that_nearly_agree_are_still_told_apart(sea: AssociationModel) -> None:
    """The case in which plain rounds creep: the second is the first with a thousandth of something better."""
    better = AssociationModel.fit("the moon the moon", sea.vocabulary, order=2, skips=False)
    nearly = Layered(sea, {"better": Layer(better, 0.001)})
    fitted = Layered(sea, {"nearly": Layer(nearly)}).fit_weights("the moon the moon the moon")
    assert fitted.weights == {"base": 0, "nearly": 1}


def test_fitting_on_nothing_is_refused(mix: Layered) -> None:
    for nothing in ([], "", {}, [""]):
        with pytest.raises(InputError, match="at least one token"):
            mix.fit_weights(nothing)
