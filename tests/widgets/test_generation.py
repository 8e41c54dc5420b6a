"""The view of a generation: in pieces it is the text written at once; forks, what the page asks, other forms."""

from pathlib import Path
from typing import Any

import pytest

import polyloom
from polyloom import AssociationModel, ByteVocabulary, InputError, Layered, Sampling
from polyloom_datasets import load
from polyloom_widgets import GenerationView
from polyloom_widgets.generation.leaves import begun, grown
from widgets.talk import Page

PROMPT = "At night the"
SAMPLING = Sampling(temperature=0.8, seed=3, max_tokens=30)


@pytest.fixture(scope="module")
def mix() -> Layered:
    return polyloom.weave({"sea": load("sea"), "law": load("contracts")})[0]


@pytest.fixture
def view(mix: Layered) -> GenerationView:
    return GenerationView(mix, PROMPT, SAMPLING, mixes={"law up": mix.with_weights(law=5)})


@pytest.mark.parametrize("sampling", [SAMPLING, Sampling(seed=8, max_tokens=9, stop=(" the",)), Sampling(max_tokens=0)])
def test_written_in_pieces_is_written_at_once(mix: Layered, sampling: Sampling) -> None:
    whole, leaf = mix.generate(PROMPT, sampling), begun(mix, "x", PROMPT, sampling)
    while not leaf.done:
        leaf = grown(leaf, 2)
    assert leaf.generation == whole
    assert leaf.generation.text == whole.text
    assert leaf.generation.recipe == whole.recipe


def test_what_is_written_is_shown(view: GenerationView, mix: Layered) -> None:
    assert view.write().text == mix.generate(PROMPT, SAMPLING).text
    (leaf,) = view.leaves
    assert (view.leaf, view.step) == (0, len(leaf["steps"]))
    assert mix.vocabulary.decode(mix.ids(PROMPT)) + "".join(step["text"] for step in leaf["steps"]) == (
        mix.vocabulary.decode([*mix.ids(PROMPT), *(step["token"] for step in leaf["steps"])])
    )
    step, made = leaf["steps"][3], view.generation.steps[3]
    assert step["p"] == pytest.approx(2.718281828459045**made.log_prob, abs=1e-6)
    assert view.voices[step["voice"]] == made.loudest
    assert [piece for piece, _ in step["candidates"]] == [piece for piece, _ in made.candidates]


def test_forks_are_those_of_the_generation(view: GenerationView) -> None:
    first = view.write()
    other = view.fork(4, mix="law up")
    assert other.steps == first.fork(4, model=view._models["law up"]).steps
    assert (view.leaves[1]["parent"], view.leaves[1]["at"], view.leaves[1]["mix"], view.other) == (0, 4, "law up", 0)
    view.leaf = 0
    token = next(piece for piece, _ in first.steps[6].candidates if piece != first.steps[6].piece)
    assert view.fork(6, token).steps == first.fork(6, token).steps
    assert view.generation.recipe == first.fork(6, token).recipe


def test_a_text_that_was_written_elsewhere_can_be_shown(mix: Layered) -> None:
    made = mix.generate(PROMPT, SAMPLING)
    view = GenerationView(made)
    assert view.generation == made
    assert view.leaves[0]["done"]
    assert view.fork(2).steps == made.steps


def test_the_page_writes_by_asking(view: GenerationView, mix: Layered) -> None:
    page, asked = Page(view), 1  # type: ignore[arg-type]
    answer = page.ask({"op": "write", "id": 1})
    while answer["goes_on"]:
        answer, asked = page.ask({"op": "more", "id": 2, "leaf": answer["leaf"]}), asked + 1
    assert view.generation.text == mix.generate(PROMPT, SAMPLING).text
    assert asked == -(-len(view.generation.steps) // 4)
    found = page.ask({"op": "fork", "id": 3, "leaf": 0, "step": 2, "mix": "law up"})
    assert (found["leaf"], found["goes_on"]) == (1, True)
    assert page.ask({"op": "recipe", "id": 4, "leaf": 0})["recipe"] == mix.generate(PROMPT, SAMPLING).recipe


@pytest.mark.parametrize(
    "question",
    [{"op": "more", "leaf": 3}, {"op": "more"}, {"op": "fork", "leaf": 0, "step": 999},
     {"op": "fork", "leaf": 0, "step": "2"},
     {"op": "fork", "leaf": 0, "step": 1, "mix": "no"}, {"op": "fork", "leaf": 0, "step": 1, "token": "no such piece"},
     {"op": "recipe", "leaf": True}],
)  # fmt: skip
def test_strange_questions_are_answered(view: GenerationView, question: dict[str, Any]) -> None:
    view.write()
    assert "error" in Page(view).ask(question)  # type: ignore[arg-type]
    assert len(view.leaves) == 1


def test_what_the_page_may_set(view: GenerationView) -> None:
    view.write()
    page = Page(view)  # type: ignore[arg-type]
    assert "temperature must be" in page.report(sampling={**view.sampling, "temperature": -1})[0]
    assert "Expected temperature" in page.report(sampling={"seed": 1})[0]
    assert page.report(leaves=[]) == ["The page may not set leaves."]
    assert "There is no text 4" in page.report(leaf=4)[0]
    assert page.report(step=2, sampling={**view.sampling, "seed": 9}) == []
    assert view.settings == Sampling(temperature=0.8, seed=9, max_tokens=30)


def test_a_page_asks_for_no_text_without_end(view: GenerationView, mix: Layered) -> None:
    page = Page(view)  # type: ignore[arg-type]
    (told,) = page.report(sampling={**view.sampling, "max_tokens": 2_001})
    assert told.startswith("A text may have 2,000 tokens here, got 2,001. Python may ask for more: ")
    assert view.sampling["max_tokens"] == 30
    assert page.report(sampling={**view.sampling, "max_tokens": 2_000}) == []
    assert GenerationView(mix, PROMPT, Sampling(max_tokens=5_000)).settings.max_tokens == 5_000


def test_all_texts_together_have_an_end(view: GenerationView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_widgets.generation.generation.TOKENS", 40)
    view.write()
    view.write()
    with pytest.raises(InputError, match=r"have 60 tokens, and from 40 on no other is begun"):
        view.write()
    assert "no other is begun" in Page(view).ask({"op": "fork", "id": 1, "leaf": 0, "step": 2})["error"]  # type: ignore[arg-type]
    assert len(view.leaves) == 2


def test_what_cannot_be_shown(mix: Layered) -> None:
    with pytest.raises(InputError, match="Expected a model"):
        GenerationView("text")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'other' must be a model that speaks"):
        GenerationView(mix, mixes={"other": AssociationModel.fit(["abc"], ByteVocabulary())})
    with pytest.raises(InputError, match="Nothing was written yet"):
        _ = GenerationView(mix).generation
    with pytest.raises(InputError, match="Nothing was written yet"):
        GenerationView(mix).fork(3)
    with pytest.raises(InputError, match="nothing was written yet"):
        GenerationView(mix).to_html("never.html")


def test_a_model_that_is_no_mix_writes_too() -> None:
    view = GenerationView(AssociationModel.fit(load("sea"), ByteVocabulary()), "the ", Sampling(max_tokens=9, seed=1))
    assert len(view.write().steps) == 9
    assert view.voices, "its terms are its voices"


def test_forms(view: GenerationView, tmp_path: Path) -> None:
    assert repr(view) == "GenerationView('At night the', nothing written yet)"
    view.write()
    view.fork(3, mix="law up")
    forms = view._repr_mimebundle_()[0]
    assert forms["text/plain"].startswith("GenerationView('At night the', texts=2, shown=")
    assert "<script" not in forms["text/html"]
    assert "2: law up, from 1 at step 3" in forms["text/html"]
    assert view.to_html(tmp_path / "g.html").stat().st_size < 300_000


def test_settings_given_one_by_one_are_told_where_they_belong() -> None:
    mix = polyloom.weave({"sea": load("sea"), "law": load("contracts")}, progress=False)[0]
    with pytest.raises(InputError, match=r"Sampling\(seed=…\)"):
        GenerationView(mix, "At night the", seed=1)
