"""The panels of the desk: credit, likeness, reach and lanes are what the toolkit says of the same mix."""

import numpy as np
import pytest

import polyloom
from polyloom import InputError, Lane, Layered, Sampling
from polyloom.compose.similarity import similarity_matrix
from polyloom_datasets import load
from polyloom_widgets import Mixer
from polyloom_widgets.mixer import closer
from widgets.talk import Page

PROMPT = "At night the"


@pytest.fixture(scope="module")
def woven() -> tuple[Layered, dict[str, list[str]]]:
    return polyloom.weave({"sea": load("sea"), "law": load("contracts"), "bed": load("lullabies")})  # type: ignore[return-value]


@pytest.fixture
def desk(woven: tuple[Layered, dict[str, list[str]]]) -> Mixer:
    return Mixer(woven[0], PROMPT, woven[1])


def test_credit_is_that_of_shapley(desk: Mixer) -> None:
    answer = Page(desk).ask({"op": "credit", "id": 1})
    assert desk._judge is not None
    found = desk.mix.shapley(closer._some(desk._judge.documents))
    assert answer["values"] == found.values.tolist()
    assert sum(answer["values"]) == pytest.approx(answer["whole"] - answer["nothing"])
    assert answer["tokens"] == found.tokens


def test_likeness_is_that_of_the_text_that_is_read(desk: Mixer) -> None:
    answer = Page(desk).ask({"op": "likeness", "id": 1})
    assert desk._judge is not None
    read = closer._some(desk._judge.documents, closer.COMPARED)
    assert sum(map(len, read)) == closer.COMPARED
    np.testing.assert_allclose(answer["values"], similarity_matrix(desk.mix.models, read).values)
    np.testing.assert_allclose(np.diag(answer["values"]), 1)


def test_reach_gives_weights_that_do_it(desk: Mixer) -> None:
    token = desk.mix.token_id("the")
    before = float(np.exp(desk.mix.begin(PROMPT).distribution()[token]))
    answer = Page(desk).ask({"op": "reach", "id": 1, "token": token, "probability": before * 1.1})
    assert answer["reached"]
    assert answer["before"] == pytest.approx(before)
    mix = desk.mix.with_weights(dict(zip(desk.mix.layers, answer["weights"], strict=True)))
    after = np.exp(mix.begin(PROMPT).distribution())
    assert after[token] == pytest.approx(before * 1.1, rel=1e-4)
    for one in answer["beside"]:
        assert one["after"] == pytest.approx(after[mix.token_id(one["name"])], abs=1e-9)
    assert not Page(desk).ask({"op": "reach", "id": 1, "token": token, "probability": 1.0})["reached"]


def test_lanes_write_what_the_mix_under_lanes_writes(desk: Mixer) -> None:
    lanes = {"sea": [[0, 1.0], [30, 0.0]], "law": [[0, 0.0], [30, 1.5]]}
    answer = Page(desk).ask({"op": "lanes", "id": 1, "lanes": lanes, "smooth": True})
    moving = desk.mix.with_lanes({name: Lane(list(map(tuple, line)), "smoothstep") for name, line in lanes.items()})  # type: ignore[arg-type]
    assert answer["text"] == moving.generate(PROMPT, Sampling(max_tokens=40, temperature=0.5, seed=1)).text
    assert "".join(piece["text"] for piece in answer["pieces"]).strip() == answer["text"].strip()


@pytest.mark.parametrize(
    "question",
    [{"op": "reach", "token": "the", "probability": 0.5}, {"op": "reach", "token": 3, "probability": 2},
     {"op": "reach", "token": 3}, {"op": "lanes"}, {"op": "lanes", "lanes": {"sea": 5}},
     {"op": "lanes", "lanes": {"no": [[0, 1]]}},
     {"op": "lanes", "lanes": {"sea": [[0, -1.0], [5, 1.0]]}}],
)  # fmt: skip
def test_strange_questions_are_answered(desk: Mixer, question: dict[str, object]) -> None:
    assert "error" in Page(desk).ask({"id": 1, **question})


def test_without_held_out_text_they_say_so(woven: tuple[Layered, dict[str, list[str]]]) -> None:
    page = Page(Mixer(woven[0], PROMPT))
    for op in ("credit", "likeness"):
        assert "held-out text" in page.ask({"op": op, "id": 1})["error"]
    with pytest.raises(InputError, match="one layer"):
        closer.likeness(Layered(woven[0].models["sea"], {}), [np.arange(3)])
