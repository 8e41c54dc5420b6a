"""What every widget promises: three forms, no markup from data, nothing left behind, a page written whole or not."""

import gc
import os
import re
import weakref
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from polyloom import AssociationModel, ByLikelihood, ByteVocabulary, InputError, Layered, Routed, Sampling, open_recipe
from polyloom.compose.weave import HeldOut
from polyloom.music import Score, write_midi
from polyloom_widgets import GenerationView, Mixer, RoutingView, TrainingView, head_view
from polyloom_widgets.base import widget as base
from polyloom_widgets.base.widget import Widget

NASTY = {
    "<img src=x onerror=alert(1)>": "One wave. Two waves. Three waves.",
    "\"quoted' & </script>": "One cup. Two cups. Three cups.",
    "🌊 voilà": "One song. Two songs. Three songs.",
}
TINY = AssociationModel.fit(["the sea and the tide"], ByteVocabulary())
VIEW, HTML, TEXT = "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"


def nasty() -> Mixer:
    import polyloom

    mix, held_out = polyloom.weave(NASTY, progress=False)
    return Mixer(mix, prompt="<b>One</b>", held_out=held_out)


class Seen(HTMLParser):
    """The elements of some HTML, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_name_of_a_desk_is_stable(mix: Layered, held_out: HeldOut) -> None:
    names = {repr(Mixer(mix, prompt="At night the", held_out=held_out)) for _ in range(3)}
    (name,) = names
    assert re.fullmatch(
        r"Mixer\(sea=1\.00, kitchen=1\.00, lullabies=1\.00, prompt='At night the', perplexity=\d+\.\d\)", name
    )


def test_three_forms_the_same_twice(desk: Mixer) -> None:
    forms, metadata = desk._repr_mimebundle_(include=None, exclude=None)
    assert set(forms) == {VIEW, HTML, TEXT}
    assert metadata == {}
    assert forms[VIEW] == {"version_major": 2, "version_minor": 0, "model_id": desk.model_id}
    assert forms[TEXT] == repr(desk)
    assert desk._repr_mimebundle_()[0] == forms


def test_forms_that_are_compared_do_not_depend_on_the_instance(mix: Layered, held_out: HeldOut) -> None:
    one, other = (Mixer(mix, prompt="At night the", held_out=held_out)._repr_mimebundle_()[0] for _ in range(2))
    assert (one[HTML], one[TEXT]) == (other[HTML], other[TEXT])
    assert one[VIEW] != other[VIEW]


def test_the_still_form_shows_the_desk_without_a_script(desk: Mixer) -> None:
    seen = Seen(desk._repr_mimebundle_()[0][HTML])
    assert set(seen.tags) <= {"div", "table", "tr", "td", "b", "br", "code", "span"}
    assert seen.attributes == {"style"}
    for text in ("sea", "kitchen", "lullabies", "33 %", "At night the", "moon", "perplexity = "):
        assert text in seen.text


def test_names_never_become_markup() -> None:
    desk = nasty()
    plain, strange = Seen(desk._repr_mimebundle_()[0][HTML]), nasty()
    assert set(plain.tags) <= {"div", "table", "tr", "td", "b", "br", "code", "span"}
    assert plain.attributes == {"style"}
    for name in NASTY:
        assert name in plain.text
    assert repr(strange) == repr(desk)


def test_nasty_names_travel_whole_into_a_page(tmp_path: Path) -> None:
    text = nasty().to_html(tmp_path / "nasty.html").read_text("utf-8")
    seen = Seen(text)
    assert "img" not in seen.tags
    assert "b" not in seen.tags
    assert seen.tags.count("script") == 2
    assert "\\u003cimg src=x onerror=alert(1)\\u003e" in text
    assert "🌊 voilà" in text


def test_a_receipt_and_a_recipe_of_nasty_names() -> None:
    desk = nasty()
    recipe = desk.to_recipe()
    desk.restore({**recipe, "soloed": [next(iter(NASTY))]})
    assert list(desk.weights.values()) == [1.0, 0.0, 0.0]


def test_the_recipe_that_a_tune_carries_sets_the_desk(mix: Layered, tmp_path: Path) -> None:
    desk = Mixer(mix, prompt="At night the")
    written = mix.with_weights(sea=0.25).generate("Sleep now", Sampling(max_tokens=2, seed=7))
    desk.restore(open_recipe(write_midi(Score.of([(0, 480, 60)]), tmp_path / "x.mid", written.recipe)))
    assert (desk.weights["sea"], desk.prompt, desk.sampling["seed"]) == (0.25, "Sleep now", 7)


@pytest.mark.long
def test_two_hundred_desks_leave_nothing_alive(mix: Layered, held_out: HeldOut) -> None:
    before = len(_instances)
    alive: list[weakref.ref[Mixer]] = []
    for n in range(200):
        desk = Mixer(mix.with_weights(sea=n / 100), prompt="At night the", held_out=held_out)
        desk.observe(lambda change: change, "model")
        desk._repr_mimebundle_()
        desk.close()
        alive.append(weakref.ref(desk))
    del desk
    gc.collect()
    assert [one for one in alive if one() is not None] == []
    assert len(_instances) == before


def attention() -> Widget:
    return head_view(np.tril(np.ones((1, 2, 4, 4))) / np.arange(1, 5)[:, None], list("abcd"))


def generation() -> Widget:
    view = GenerationView(TINY, "the ", Sampling(max_tokens=2, seed=1))
    view.write()
    return view


def routing() -> Widget:
    return RoutingView(Routed(ByLikelihood(), {"a": TINY, "b": TINY}), "the sea")


@pytest.mark.long
@pytest.mark.parametrize("made", [attention, generation, routing, TrainingView])
def test_two_hundred_views_leave_nothing_alive(made: Callable[[], Widget], desk: Mixer) -> None:
    before, listening = len(_instances), len(desk._trait_notifiers["prompt"]["change"])
    alive: list[weakref.ref[Widget]] = []
    for _ in range(200):
        view = made()
        view._repr_mimebundle_()
        if made is routing:
            desk.link(view)
        view.close()
        alive.append(weakref.ref(view))
    del view
    gc.collect()
    assert [one for one in alive if one() is not None] == []
    assert len(_instances) == before
    assert len(desk._trait_notifiers["prompt"]["change"]) == listening


def test_closing_twice_and_a_layout_of_ones_own(mix: Layered) -> None:
    import ipywidgets

    layout = ipywidgets.Layout(width="50%")
    desk = Mixer(mix, layout=layout)
    desk.close()
    desk.close()
    assert layout.comm is not None, "it may be shared: whoever made it closes it"


def test_a_page_is_written_whole(desk: Mixer, tmp_path: Path) -> None:
    target = tmp_path / "desk.html"
    assert desk.to_html(target, title="My <mix> & more") == target
    text = target.read_text("utf-8")
    assert text.endswith("</html>\n")
    assert "<title>My &lt;mix&gt; &amp; more</title>" in text
    assert target.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [target]
    assert desk.to_html(str(target)).read_text("utf-8") != text


def test_the_same_desk_writes_the_same_page(desk: Mixer, tmp_path: Path) -> None:
    one, other = desk.to_html(tmp_path / "one.html"), desk.to_html(tmp_path / "other.html")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("call", ["replace", "fdopen"])
def test_a_failing_write_leaves_the_old_file(
    desk: Mixer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    target = tmp_path / "desk.html"
    target.write_text("what was there")

    def full(*given: Any, **named: Any) -> None:
        if call == "fdopen":
            os.close(given[0])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((Path, "replace") if call == "replace" else (base.os, "fdopen")), full)
    with pytest.raises(OSError, match="No space left"):
        desk.to_html(target)
    monkeypatch.undo()
    assert target.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named(desk: Mixer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        desk.to_html(tmp_path / "nowhere" / "desk.html")


def test_a_page_over_five_megabytes_is_refused(desk: Mixer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "desk.html"
    target.write_text("what was there")
    monkeypatch.setattr(Mixer, "_export", lambda self: ({}, {"rows": bytes(4_000_000)}))
    with pytest.raises(InputError, match=r"5,\d\d\d,\d\d\d bytes of at most 5,000,000"):
        desk.to_html(target)
    assert target.read_text() == "what was there"


def test_a_leaf_must_say_what_it_shows() -> None:
    class Bare(Widget):
        module = Path(base.__file__).with_name("page.js")
        _esm, _css = "export default {}", ""

    bare = Bare()
    for form in (bare._text, bare._still, bare._export):
        with pytest.raises(NotImplementedError):
            form()
