"""Arrow: prototypes and scores beside their definitions; who is told apart, and what is refused."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from decoders import CONFIGS, WORDS, decoder, model
from polyloom import InputError, Routed, Router
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.arrow import Arrow, direction
from polyloom.adapters.attach import attach
from polyloom.adapters.dora import DoRA
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA, LowRank
from polyloom.transformer.model import TransformerModel
from toolkit.adapters.learned import learned

TEXT = "a b c a b d"


def of(update: Any) -> np.ndarray[Any, Any]:
    return (update.b.double() @ update.a.double()).numpy()


@pytest.mark.parametrize("method", [LoRA(1), LoRA(3), LoRA(20), DoRA(3)], ids=str)
def test_a_prototype_is_the_first_right_singular_vector(method: Any) -> None:
    for update in learned(method, model()).updates.values():
        found = direction(update)  # type: ignore[arg-type]
        wanted = np.linalg.svd(of(update))[2][0]
        assert found is not None
        np.testing.assert_allclose(found * np.sign(found @ wanted), wanted, atol=1e-9)
        assert found[np.abs(found).argmax()] > 0


@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "experts"])
def test_scores_are_the_equation(name: str) -> None:
    base = model(name)
    adapters = {"low": learned(LoRA(2), base), "turned": learned(DoRA(3, layers=(0, 2)), base, seed=2)}
    arrow = Arrow.of(base, adapters)
    heard: dict[str, np.ndarray[Any, Any]] = {}
    network = copy.deepcopy(base.decoder)
    for place in arrow.places:

        def note(_: Any, given: Any, place: str = place) -> None:
            heard[place] = given[0].flatten(0, -2).numpy()

        network.get_submodule(place).register_forward_pre_hook(note)
    ids, _ = base.seen(TEXT)
    network.stream(ids[None])
    for adapter, score in zip(adapters.values(), arrow.scores(TEXT).values(), strict=True):
        means: list[float] = []
        for place, update in adapter.updates.items():
            x = heard[place][len(base.network.front) :]
            likeness = np.abs(x @ np.linalg.svd(of(update))[2][0]) / np.linalg.norm(x, axis=1)
            means.append(float(likeness.mean()))
        assert score == pytest.approx(np.mean(means), abs=1e-9)
    np.testing.assert_allclose(arrow.judge(TEXT).sum(1), list(arrow.scores(TEXT).values()))
    assert arrow.places == tuple(adapters["low"].updates)
    assert repr(arrow) == f"<Arrow of 2 adapters at {len(arrow.places)} maps>"


def test_it_says_for_whom_a_text_is() -> None:
    """Each adapter changes what the maps read of one word, and has the texts of that word."""
    base = TransformerModel(decoder(replace(CONFIGS["no positions, GELU"], begin=None)), WORDS)

    def about(word: str) -> Adapter:
        """One that reads at the first attention what this word brings there."""
        x = base.decoder.embedding.weight[WORDS.id_of(word)][None]
        a = base.decoder.layers[0].attention_norm(x)
        update = LowRank(a, torch.ones(16, 1, dtype=torch.float64), 1.0)
        return Adapter(LoRA(1, targets=("blocks.0.attention.q",)), {"blocks.0.attention.q": update})

    arrow = Arrow.of(base, {word: about(word) for word in "abc"})
    for word in "abc":
        scores = arrow.scores(f"{word} {word} {word}")
        assert max(scores, key=lambda name: scores[name]) == word
        assert scores[word] == pytest.approx(1)
    examples = {word: [f"{word} {other} {word}" for other in "abcdefgh"] for word in "abc"}
    router = Router.fit(examples, arrow=arrow)
    opened = router.route("b b").explanation.terms[0].child
    assert opened is not None
    (term,) = [term for term in opened.terms if term.name == "directions of the adapters"]
    assert term.contribution > 0
    assert term.child is not None
    assert [part.name for part in term.child.terms] == ["blocks.0.attention.q"]
    members = {word: attach(base, about(word)) for word in "abc"}
    assert Routed(arrow.scores, members, policy="best").begin("b b").weights == {"a": 0, "b": 1, "c": 0}


def test_a_text_without_tokens_is_for_nobody_and_a_long_one_is_read_at_its_end() -> None:
    for name in ("grouped queries", "like GPT-2", "sinusoidal, capped"):
        base = model(name)
        arrow = Arrow.of(base, {"one": learned(LoRA(2), base)})
        assert arrow.scores("") == {"one": 0}
        assert 0 < arrow.scores(" ".join("abcdef"[n % 6] for n in range(100)))["one"] < 1
        assert all(len(x) == 6 for x in arrow.along(TEXT).values())


def test_its_digest_stands_for_base_and_adapters() -> None:
    base = model()
    one, other = learned(LoRA(2), base), learned(LoRA(2), base, seed=2)
    digest = Arrow.of(base, {"one": one}).digest
    assert Arrow.of(model(), {"one": learned(LoRA(2), base)}).digest == digest
    changed = Arrow.of(base, {"one": other}), Arrow.of(base, {"other": one}), Arrow.of(model(seed=6), {"one": one})
    assert digest not in {arrow.digest for arrow in changed}


def test_what_has_no_direction_is_refused() -> None:
    base, untyped = model(), Arrow
    cases: list[tuple[Any, str]] = [
        ({}, "adapters by name"),
        (None, "adapters by name"),
        ({"one": "lora"}, "Expected an Adapter for 'one'"),
        ({"one": learned(IA3(), base)}, "'one' is ia3, not of low rank"),
        ({"one": Adapter.first(LoRA(2), base)}, "changes nothing"),
        ({"one": learned(LoRA(2), model("like GPT-2"))}, "does not fit"),
    ]
    for given, says in cases:
        with pytest.raises(InputError, match=says):
            untyped.of(base, given)
