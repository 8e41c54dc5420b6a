"""Attaching: another model, that keeps the laws of models, shares the weights, and says what the merged one says."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract
from decoders import CONFIGS, WORDS, decoder, model
from polyloom import AssociationModel, InputError, Layer, Layered
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, chain, detach, merge
from polyloom.adapters.dora import DoRA
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.method import Method
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.surgery import ablate
from toolkit.adapters.learned import learned

TEXT = "a b c a b d e a b c f"
METHODS: dict[str, Method] = {
    "lora": LoRA(3, 4.0),
    "rank-stabilised": LoRA(2, 3.0, stabilised=True, targets=("attention.q", "attention.o")),
    "dora": DoRA(3, 4.0, layers=(0, 2)),
    "ia3": IA3(),
}


def adapted(method: str, name: str = "grouped queries", scale: float = 0.8) -> TransformerModel:
    base = model(name)
    return attach(base, learned(METHODS[method], base), scale)


@pytest.mark.long
class TestAttached(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class", params=["lora", "dora", "ia3"])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return adapted(request.param, "like GPT-2" if request.param == "ia3" else "grouped queries")


@pytest.mark.long
class TestAttachedInAMix(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Layered:
        counts = AssociationModel.fit(["a b c d e f g h", "c d a b"], WORDS, order=3)
        return Layered(adapted("lora"), {"counts": Layer(counts, 0.5)})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [name for name in CONFIGS if "gate" not in name and name != "experts"])
def test_merged_is_unmerged(method: str, name: str) -> None:
    found = adapted(method, name)
    plain = detach(found)
    torch.testing.assert_close(merge(found).logits(TEXT), found.logits(TEXT), atol=1e-5, rtol=0)
    assert (found.logits(TEXT) - plain.logits(TEXT)).abs().max() > 1e-3


def test_low_rank_is_what_the_paper_says() -> None:
    base = model()
    adapter = learned(LoRA(2, 3.0, targets=("attention.v",)), base)
    expected = copy.deepcopy(base.decoder)
    with torch.no_grad():
        for name, update in adapter.updates.items():
            tensors = update.tensors()
            expected.get_submodule(name).weight += 0.5 * 3.0 / 2 * tensors["b"] @ tensors["a"]
    found = attach(base, adapter, 0.5).logits(TEXT)
    torch.testing.assert_close(found, TransformerModel(expected, WORDS).logits(TEXT), atol=1e-6, rtol=0)


def test_the_rows_of_dora_are_as_long_as_its_magnitude() -> None:
    base = model()
    adapter = learned(DoRA(2), base)
    found = merge(attach(base, adapter)).decoder
    for name, update in adapter.updates.items():
        lengths = found.get_submodule(name).weight.norm(dim=1)
        torch.testing.assert_close(lengths, update.tensors()["magnitude"].abs(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_before_training_nothing_changes_and_scale_nothing_is_the_base(method: str) -> None:
    base = model()
    first = attach(base, Adapter.first(METHODS[method], base))
    torch.testing.assert_close(first.logits(TEXT), base.logits(TEXT), atol=1e-9, rtol=0)
    off = attach(base, learned(METHODS[method], base), 0)
    torch.testing.assert_close(off.logits(TEXT), base.logits(TEXT), atol=1e-9, rtol=0)


@given(st.floats(-2, 2), st.sampled_from(sorted(METHODS)))
def test_a_scale_moves_each_weight_on_a_line(scale: float, method: str) -> None:
    base = model()
    adapter = learned(METHODS[method], base)
    merged = [merge(attach(base, adapter, s)).decoder for s in (0.0, scale, 1.0)]
    for none, some, all_ in zip(*(m.parameters() for m in merged), strict=True):
        torch.testing.assert_close(some, (1 - scale) * none + scale * all_, atol=1e-9, rtol=0)


def test_the_base_stays_and_its_weights_are_shared() -> None:
    base = model()
    before, digest = base.logits(TEXT), base.digest
    found = attach(base, learned(LoRA(2, targets=("attention.q",)), base))
    assert detach(found) is base
    assert found.decoder.layers[1].feed_forward is base.decoder.layers[1].feed_forward
    theirs = {id(weight) for weight in base.decoder.parameters()}
    assert all(id(weight) in theirs for weight in found.decoder.parameters())
    merged = merge(found)
    assert sum(id(weight) in theirs for weight in merged.decoder.parameters()) == len(theirs) - 3
    torch.testing.assert_close(base.logits(TEXT), before, atol=0, rtol=0)
    assert len({digest, found.digest, merged.digest, attach(base, chain(found)[0].adapter, 0.5).digest}) == 4


def test_adapters_add_up() -> None:
    base = model()
    one, two = learned(LoRA(2), base, 1), learned(LoRA(3), base, 2)
    both, turned = attach(attach(base, one, 0.5), two, 2.0), attach(attach(base, two, 2.0), one, 0.5)
    torch.testing.assert_close(both.logits(TEXT), turned.logits(TEXT), atol=1e-9, rtol=0)
    over = attach(both, learned(DoRA(2), base, 3))
    torch.testing.assert_close(merge(over).logits(TEXT), over.logits(TEXT), atol=1e-6, rtol=0)
    assert repr(over).endswith(", dora at 1, 63 of 63 tensors bound>")
    assert [step.scale for step in chain(over)] == [0.5, 2.0, 1.0]
    assert detach(over) is both


@pytest.mark.parametrize("method", METHODS)
def test_a_file_holds_base_and_adapter_apart(tmp_path: Path, method: str) -> None:
    found = adapted(method)
    again = polyloom.load(found.save(tmp_path / "adapted.psamc"))
    assert isinstance(again, TransformerModel)
    assert again.digest == found.digest
    torch.testing.assert_close(again.logits(TEXT), found.logits(TEXT), atol=0, rtol=0)
    assert detach(again).digest == detach(found).digest
    plain = polyloom.load(merge(found).save(tmp_path / "merged"))
    np.testing.assert_allclose(plain.log_likelihood(TEXT), found.log_likelihood(TEXT), atol=1e-9)


def test_a_mix_of_base_and_adapted_is_saved(tmp_path: Path) -> None:
    found = adapted("lora")
    mix = Layered(detach(found), {"tuned": Layer(attach(found, learned(IA3(), found)), 0.5)})
    again = polyloom.load(mix.save(tmp_path / "mix.psamc"))
    np.testing.assert_array_equal(again.log_likelihood(TEXT), mix.log_likelihood(TEXT))


@pytest.mark.parametrize(
    "damage",
    [
        {"scale": "much"},
        {"scale": float("inf")},
        {"adapter": {"method": {"kind": "loha"}, "updates": {}}},
        {"adapter": {"method": {"kind": "lora", "rank": 3}, "updates": {}}},
        {"adapter": {"method": {"kind": "lora", "length": 3}, "updates": {}}},
        {"members": []},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    from polyloom.files import write

    manifest, arrays = adapted("lora").state()
    if damage.get("scale") == float("inf"):
        damage = {"scale": None}
    with pytest.raises(polyloom.FileError):
        polyloom.load(write(tmp_path / "x.psamc", manifest | damage, arrays))


def test_an_explanation_has_the_adapter_inside_its_terms() -> None:
    found = adapted("lora")
    ours, plain = found.explain(TEXT, "a"), merge(found).explain(TEXT, "a")
    assert [term.name for term in ours.terms] == [term.name for term in plain.terms]
    np.testing.assert_allclose(
        [term.contribution for term in ours.terms], [term.contribution for term in plain.terms], atol=1e-6
    )
    heads = ours.terms[1].child
    assert heads is not None
    assert heads.total == pytest.approx(sum(term.contribution for term in heads.terms), abs=1e-6)


def test_it_is_looked_into_and_cut_like_any_other() -> None:
    found = adapted("dora")
    merged = merge(found)
    np.testing.assert_allclose(found.capture(TEXT).heads[1], merged.capture(TEXT).heads[1], atol=1e-6)
    cut = ablate(found, heads=[(1, 2)])
    assert cut.provenance is None
    torch.testing.assert_close(cut.logits(TEXT), ablate(merged, heads=[(1, 2)]).logits(TEXT), atol=1e-6, rtol=0)
    assert found.to(dtype="float32").provenance is None


def test_one_token_at_a_time_does_not_forget_the_adapter() -> None:
    base = TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)
    found = attach(base, learned(LoRA(3), base))
    place = found.begin("a b")
    for piece in TEXT.split():
        place.advance(piece)
        np.testing.assert_allclose(place.distribution(), found.begin(place.tokens).distribution(), atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_base_of_16_bits_keeps_its_dtype_and_the_adapter_its_own(tmp_path: Path, method: str) -> None:
    base = TransformerModel(decoder(CONFIGS["grouped queries"], torch.bfloat16), WORDS)
    adapter = learned(METHODS[method], base)
    assert {tensor.dtype for tensor in Adapter.first(METHODS[method], base).tensors.values()} == {torch.float32}
    found = attach(base, adapter)
    assert {weight.dtype for weight in merge(found).decoder.parameters()} == {torch.bfloat16}
    again = polyloom.load(found.save(tmp_path / "x.psamc"))
    np.testing.assert_array_equal(again.log_likelihood(TEXT), found.log_likelihood(TEXT))
    np.testing.assert_allclose(merge(found).log_likelihood(TEXT), found.log_likelihood(TEXT), atol=0.3)


def test_what_does_not_fit_is_listed() -> None:
    base, other = model(), model("like GPT-2")
    adapter = learned(LoRA(2), base)
    short = Adapter(adapter.method, {n: x for n, x in adapter.updates.items() if n != "blocks.1.attention.k"})
    with pytest.raises(InputError, match=r"missing blocks\.1\.attention\.k"):
        attach(base, short)
    with pytest.raises(InputError, match=r"left over blocks\.0\.feed_forward\.gate"):
        attach(other, adapter)
    some = Adapter(dataclasses.replace(LoRA(2), layers=(0, 1)), adapter.updates)
    with pytest.raises(InputError, match=r"in 7 places \(28 of 42 tensors have a map\): left over blocks\.2"):
        attach(base, some)
    with pytest.raises(InputError, match=r"has no part 'attention\.x'; its blocks have attention\.q"):
        Adapter.first(LoRA(2, targets=("attention.x",)), base)
    narrow = learned(LoRA(2, targets=("attention.k",)), other)
    with pytest.raises(InputError, match=r"is \(16, 16\), the map \(8, 16\)"):
        attach(base, narrow)


def test_what_is_no_adapter_is_refused() -> None:
    base = model()
    adapter = Adapter.first(LoRA(2), base)
    bad: list[Any] = ["folder", None, LoRA(2)]
    for one in bad:
        with pytest.raises(InputError, match="Expected an Adapter"):
            attach(base, one)
    for scale in (float("nan"), float("inf"), "1", None, True):
        with pytest.raises(InputError, match="scale must be a finite number"):
            attach(base, adapter, scale)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="Expected a TransformerModel"):
        attach(AssociationModel.fit(["a b"], WORDS), adapter)  # pyright: ignore[reportArgumentType]
    for act in (detach, merge):
        with pytest.raises(InputError, match="attach one first"):
            act(base)
    for make in (lambda: LoRA(0), lambda: LoRA(2, float("nan")), lambda: DoRA(1.5)):  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError):
            make()
