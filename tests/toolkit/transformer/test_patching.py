"""Activation patching: cell by cell what an edit of the opened pass does, and what must be restored by hand."""

from html.parser import HTMLParser
from typing import get_args

import numpy as np
import pytest
import torch

from decoders import copier, model
from polyloom.errors import InputError
from polyloom.transformer import patching
from polyloom.transformer.opened import opened
from polyloom.transformer.patching import NAMES, What, patch

CLEAN, CORRUPTED = "a b c a b d e", "a b f a b w e"


@pytest.mark.parametrize("what", get_args(What))
@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "experts"])
def test_each_cell_is_one_edited_reading(name: str, what: What) -> None:
    made = model(name)
    found = patch(made, CLEAN, CORRUPTED, "c", what=what)
    (clean, _), (corrupted, _) = made.seen(CLEAN), made.seen(CORRUPTED)
    seen = opened(made.decoder, clean).seen
    assert found.scores.shape == (3, len(clean))
    for layer, position in ((0, 3), (1, 0), (2, len(clean) - 1), (1, len(clean) - 2)):
        at = f"blocks.{layer}.{NAMES[what]}"

        def edit(name: str, value: torch.Tensor, at: str = at, position: int = position) -> torch.Tensor:
            if name == at:
                value[position] = seen[at][position]
            return value

        logits = opened(made.decoder, corrupted, edit=edit).logits[-1:]
        assert found.scores[layer, position] == pytest.approx(made.normalised(logits)[0, 2], abs=1e-10)


def test_the_ends_are_the_two_texts() -> None:
    made = model()
    found = patch(made, CLEAN, CORRUPTED, "c", against=5)
    (clean, corrupted) = (made.begin(text).distribution() for text in (CLEAN, CORRUPTED))
    assert found.clean == pytest.approx(clean[2] - clean[5])
    assert found.corrupted == pytest.approx(corrupted[2] - corrupted[5])
    np.testing.assert_allclose(found.effect, (found.scores - found.corrupted) / (found.clean - found.corrupted))


def test_what_the_texts_share_changes_nothing() -> None:
    found = patch(model(), CLEAN, CORRUPTED, "c")
    np.testing.assert_allclose(found.effect[:, :3], 0, atol=1e-9)
    np.testing.assert_allclose(found.effect[0, [4, 5, 7]], 0, atol=1e-9)


def test_where_the_copier_gets_its_answer_from() -> None:
    """It is settled by the token before the last, until head 0 has brought it to the last place."""
    made = copier()
    stream = patch(made, "a c b", "a d b", "c")
    np.testing.assert_allclose(stream.effect, [[0, 1, 0]], atol=1e-9)
    np.testing.assert_allclose(patch(made, "a c b", "a d b", "c", "d", "attention").effect, [[0, 0, 1]], atol=1e-9)
    np.testing.assert_allclose(patch(made, "a c b", "a d b", "c", what="feed_forward").effect, 0, atol=1e-9)
    assert stream.strongest() == (0, 1)
    assert stream.pieces == ("a", "c→d", "b")


def test_long_texts_are_read_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = patch(model("experts"), CLEAN, CORRUPTED, "c").scores
    monkeypatch.setattr(patching, "TOGETHER", 20)
    np.testing.assert_allclose(patch(model("experts"), CLEAN, CORRUPTED, "c").scores, at_once, atol=1e-12)


def test_what_cannot_be_patched_is_refused() -> None:
    made = model()
    with pytest.raises(InputError, match="there are 8 clean tokens and 4 others"):
        patch(made, CLEAN, "a b c", "c")
    with pytest.raises(InputError, match="nothing to restore"):
        patch(made, CLEAN, CLEAN, "c")
    with pytest.raises(InputError, match="Unknown part 'heads' to patch; there are residual, attention, feed_forward"):
        patch(made, CLEAN, CORRUPTED, "c", what="heads")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="no piece 'nowhere'"):
        patch(made, CLEAN, CORRUPTED, "nowhere")


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells, self.text, self.inside = list[str](), "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = tag == "td"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.cells += [data] * self.inside


def test_how_a_map_prints() -> None:
    found = patch(copier(), "a c b", "a d b", "c", "d")
    assert repr(found) == "<PatchMap of the residual stream: 1 layers, 3 positions, most at layer 0, 'c→d': 1.00>"
    title, head, row = str(found).splitlines()
    assert title.startswith("residual stream: ln p(c) − ln p(d) is ")
    assert (head.split(), row.split()) == (["layer", "a", "c→d", "b"], ["0", "0.00", "1.00", "0.00"])
    read = Reader(found._repr_html_())
    assert read.cells[:3] == ["0.00", "1.00", "0.00"]
    assert "c→d" in read.text
