"""Fitted weights and their certificates: nothing on a grid gains more than they say, and they beat their start."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, Layer, Layered
from polyloom.compose import fitting
from polyloom.compose.pool import POOLS
from polyloom.compose.weave import HeldOut
from toolkit.compose.constant import Constant, random_models

TEXT = ["At night the moon is on the sea.", "Sleep, little one, the tide is out.", "The xylophone said nothing."]


def objective(mix: Layered, documents: list[Any]) -> float:
    return -math.log(mix.perplexity(documents))


@pytest.fixture(params=POOLS)
def mix(request: pytest.FixtureRequest, sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return Layered(sea, {"lullabies": Layer(lullabies)}, request.param)


def test_a_certificate_says_how_good_the_weights_are(mix: Layered) -> None:
    fitted = mix.fit_weights(TEXT)
    certificate, tokens = fitted.certificate, [mix.ids(text) for text in TEXT]
    assert certificate is not None
    assert certificate.objective == pytest.approx(objective(fitted, TEXT), abs=1e-9)
    assert certificate.perplexity == pytest.approx(fitted.perplexity(TEXT))
    assert certificate.tokens == sum(map(len, tokens))
    assert certificate.unknown == sum((row == mix.vocabulary.unknown).sum() for row in tokens) > 0
    assert 0 <= certificate.gain < 1e-8
    assert certificate.rounds > 0
    assert str(certificate).startswith(f"{certificate.objective:.6f} nats a token")
    assert f"{certificate.unknown} of them <unk>" in str(certificate)
    assert mix.certificate is None


def test_nothing_on_a_grid_gains_more_than_the_certificate_says(mix: Layered) -> None:
    fitted = mix.fit_weights(TEXT)
    assert fitted.certificate is not None
    most = fitted.certificate.objective + fitted.certificate.gain
    for one in np.linspace(0, 3, 13):
        for two in np.linspace(0, 3, 13):
            if one or two:
                assert objective(mix.with_weights(base=one, lullabies=two), TEXT) <= most + 1e-9


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(list(POOLS)), st.lists(st.floats(0, 5), min_size=3, max_size=3))
def test_fitting_never_loses_to_its_start(seed: int, pool: str, weights: list[float]) -> None:
    assume(any(weights))
    models = random_models(seed, 3)
    named = {name: Layer(model, weight) for name, model, weight in zip("abc", models, weights, strict=True)}
    base = named.pop("a")
    mix = Layered(base.model, named, pool, name="a", weight=base.weight)
    text = np.random.default_rng(seed).integers(0, 5, 20)
    fitted = mix.fit_weights(text)
    assert fitted.certificate is not None
    assert objective(fitted, [text]) >= objective(mix, [text]) - 1e-14
    assert fitted.certificate.gain <= 1e-6
    again = fitted.fit_weights(text)
    assert objective(again, [text]) >= objective(fitted, [text]) - 1e-14


def test_a_log_pool_that_starts_with_a_contrast_may_keep_it() -> None:
    """Exponents are sought from 0 to 10, or as far as they were."""
    models = random_models(8, 2, spread=1.0)
    mix = Layered(models[0], {"b": Layer(models[1], -2.0)}, "log", weight=12.0)
    fitted = mix.fit_weights(np.random.default_rng(1).integers(0, 5, 200))
    assert fitted.certificate is not None
    assert fitted.certificate.box == ((0.0, 12.0), (-2.0, 10.0))
    plain = mix.with_weights(base=1, b=1).fit_weights(np.random.default_rng(1).integers(0, 5, 200))
    assert plain.certificate is not None
    assert plain.certificate.box == ((0.0, 10.0),) * 2
    assert fitted.certificate.objective >= plain.certificate.objective - 1e-9


def test_small_shares_that_matter_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer needed for one token in a thousand stays, though it is below what counts as silent."""
    monkeypatch.setattr(fitting, "SILENT", 0.01)
    ours, _ = random_models(1, 2)
    most = Constant(ours.vocabulary, np.log([0.5, 0.5, 1e-300, 1e-300, 1e-300]) + np.zeros((6, 1)))
    rare = Constant(ours.vocabulary, np.log([1e-300, 1e-300, 1.0, 1e-300, 1e-300]) + np.zeros((6, 1)))
    text = np.zeros(1000, np.int64)
    text[500] = 2
    fitted = Layered(most, {"rare": Layer(rare)}).fit_weights(text)
    assert fitted.weights["rare"] == pytest.approx(0.001, rel=0.01)


def test_large_text_is_read_anew_in_each_round(mix: Layered, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = mix.fit_weights(TEXT)
    monkeypatch.setattr(fitting, "KEPT", 0)
    assert mix.fit_weights(TEXT).weights == pytest.approx(kept.weights, rel=1e-6)


def test_exponents_for_two_voices_are_the_best_nearby(woven: tuple[Layered, HeldOut]) -> None:
    linear, held_out = woven
    (base, model), *others = list(linear.models.items())[:2]
    text = [row for name in (base, others[0][0]) for row in held_out[name][:3]]
    pair = Layered(model, {name: Layer(other) for name, other in others}, "log", name=base)
    fitted = pair.fit_weights(text)
    assert fitted.certificate is not None
    for name in fitted.weights:
        for factor in (0.95, 1.05):
            moved = fitted.with_weights({name: factor * fitted.weights[name]})
            assert objective(moved, text) <= fitted.certificate.objective + fitted.certificate.gain


def test_where_a_fair_draw_would_be_best_a_trace_of_everybody_is_kept() -> None:
    """All exponents 0 is uniform, and no mix; each layer here is sure of what never comes."""
    (model,) = random_models(1, 1)
    wrong = Constant(model.vocabulary, np.log([0.96, 0.01, 0.01, 0.01, 0.01]) + np.zeros((6, 1)))
    fitted = Layered(wrong, {"b": Layer(wrong)}, "log").fit_weights(np.array([1, 2, 3, 4] * 5))
    assert fitted.weights == {"base": 1e-9, "b": 1e-9}
    assert fitted.certificate is not None
    assert fitted.certificate.objective == pytest.approx(-math.log(5), abs=1e-7)
    assert fitted.certificate.gain < 1e-7


# who keeps a certificate


def test_moving_a_fader_drops_the_certificate_and_the_digest_ignores_it(mix: Layered, tmp_path: Path) -> None:
    fitted = mix.fit_weights(TEXT)
    assert fitted.with_weights().certificate is None
    assert fitted.with_weights().digest == fitted.digest
    assert fitted.add("more", mix).certificate is None
    assert fitted.activate("lullabies").certificate is None
    assert fitted.pool == mix.pool


# what is no text


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "at least one token"),
        ("", "at least one token"),
        ({}, "at least one token"),
        ([""], "at least one token"),
        (None, "Expected text or token ids, got NoneType"),
        (5, "Expected text or token ids, got int"),
        (Path("held_out.txt"), "Read it first"),
        ([Path("held_out.txt")], "got .*Path"),
        (b"At night", "got the number 65"),
        ([b"At night"], "got bytes"),
        (np.array([0.5, 1.5]), "[Ii]nteger"),
        (np.array([0, 10**6]), "outside 0"),
        (["At night", None], "got NoneType"),
        ([{"text": "At night"}], "got dict"),
    ],
)
def test_what_is_no_text_is_refused(mix: Layered, documents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mix.fit_weights(documents)


def test_a_mix_is_no_text(mix: Layered) -> None:
    for wrong in (mix, (mix, {"sea": TEXT}), mix.models):
        with pytest.raises(InputError, match=r"got (Layered|AssociationModel)"):
            mix.fit_weights(wrong)


def test_a_text_that_no_layer_can_have_written_is_refused() -> None:
    (ours,) = random_models(1, 1)
    never = Constant(ours.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    with pytest.raises(InputError, match="no layer gives any chance"):
        Layered(never, {"b": Layer(never)}).fit_weights(np.array([0, 3]))
    with pytest.raises(InputError, match="no exponents of a log pool"):
        Layered(never, {"b": Layer(ours)}, "log").fit_weights(np.array([0, 3]))
