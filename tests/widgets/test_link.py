"""Linked views: what one shows flows into the other, as long as both live and nobody undoes it."""

import gc
import weakref

import pytest

from polyloom import AssociationModel, ByteVocabulary, InputError, Layered, Sampling
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_widgets import AttentionView, GenerationView, Mixer, RoutingView, TrainingView


@pytest.fixture(scope="module")
def model() -> TransformerModel:
    attention = Attention(heads=2, kv_heads=2)
    config = TransformerConfig(257, width=16, layers=2, context=32, attention=attention, experts=Experts(4, 2))
    return TransformerModel.build(config, ByteVocabulary(), seed=3)


def test_a_prompt_flows_into_views_of_other_kinds(desk: Mixer, model: TransformerModel) -> None:
    views = [AttentionView(model, "a"), RoutingView(model, "a")]
    for view in views:
        desk.link(view)
        assert view.text == "At night the"
    desk.prompt = "the tide"
    for view in views:
        assert view.text == "the tide"
    assert views[0].readings[0]["queries"] == list(model.capture("the tide").pieces)
    desk.prompt = "long " * 20
    assert "more than" in views[0].error, "what cannot be read is said where it would be shown"


def test_a_mix_flows_into_what_writes(desk: Mixer, mix: Layered) -> None:
    view = GenerationView(mix, "x", Sampling(seed=2, max_tokens=8))
    desk.link(view)
    before = view.write()
    desk.model = mix.with_weights(sea=3.0)
    after = view.write()
    assert before.text == mix.generate("At night the", Sampling(seed=2, max_tokens=8)).text
    assert after.text == desk.mix.generate("At night the", Sampling(seed=2, max_tokens=8)).text
    view.leaf = 0
    assert view.fork(2).steps == before.steps, "a text stays with the mix that wrote it"
    view.leaf = 0
    assert view.fork(2, mix="the mix").steps == before.fork(2, model=desk.mix).steps


def test_a_token_and_a_head_flow_both_ways_where_both_are_linked(model: TransformerModel) -> None:
    one, other = AttentionView(model, "the tide"), AttentionView(model, "the tide")
    one.link(other)
    other.link(one)
    one.token = 3
    other.chosen = ["head", 1, 0]
    assert (other.token, one.chosen) == (3, ["head", 1, 0])
    short = AttentionView(model, "the tide")
    short.text = "a"
    one.link(short)
    assert short.text == "the tide"


def test_it_can_be_undone(desk: Mixer, model: TransformerModel) -> None:
    view = AttentionView(model, "a")
    undo = desk.link(view)
    undo()
    desk.prompt = "b"
    assert view.text == "At night the"
    desk.link(view)
    desk.link(view)
    assert view.text == "b"
    desk.unlink(view)
    desk.unlink(view)
    undo()
    desk.prompt = "c"
    assert view.text == "b"


def test_a_link_keeps_nothing_alive(desk: Mixer, mix: Layered) -> None:
    view = GenerationView(mix, "x")
    desk.link(view)
    alive = weakref.ref(view)
    view.close()
    desk.prompt = "after it was closed"
    del view
    gc.collect()
    assert alive() is None


def test_what_cannot_be_linked(desk: Mixer, model: TransformerModel) -> None:
    with pytest.raises(InputError, match="TrainingView"):
        desk.link(TrainingView())
    with pytest.raises(InputError, match="Expected a view"):
        desk.link("view")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing"):
        desk.link(desk)
    other = GenerationView(AssociationModel.fit(["abc"], ByteVocabulary()), "x")
    with pytest.raises(InputError, match="must be a model that speaks"):
        desk.link(other)
    desk.prompt = "it was not linked"
    assert other.prompt != desk.prompt
