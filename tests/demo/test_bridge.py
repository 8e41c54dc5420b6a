"""A widget behind requests: it begins as in a notebook, hears the same messages, and takes no harm from others."""

import base64
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.says import custom, errors, seen, update
from polyloom.errors import InputError
from polyloom_demo import bridge
from polyloom_demo.bridge import LONGEST, MOST, TURN, Served, turns
from polyloom_demo.kinds import KINDS, made
from polyloom_demo.library import Library
from polyloom_widgets import Mixer
from polyloom_widgets.base.widget import Widget


@pytest.fixture
def served(library: Library) -> Served:
    return Served(made("mix", 0, library))


def desk(served: Served) -> Mixer:
    return cast("Mixer", served.widget)


def step(*weights: float) -> dict[str, Any]:
    return {"weights": list(weights), "muted": [False] * len(weights), "soloed": [False] * len(weights)}


def test_a_page_begins_with_all_that_a_notebook_has(served: Served) -> None:
    found = served.state()
    whole = desk(served).get_state()
    named = set(found["state"]) | set(found["buffers"])
    assert named == {name for name in whole if not name.startswith("_")} - {"layout", "tabbable", "tooltip"}
    assert found["state"]["prompt"] == "At night the"
    shares = np.frombuffer(base64.b64decode(found["buffers"]["bars_p"]), "<f4")
    assert shares.tobytes() == desk(served).bars_p


def test_a_moved_fader_brings_exact_figures(served: Served) -> None:
    start = desk(served).step["weights"]
    moved = step(*start[:-1], 2.5)
    news = seen(served.hear([update(steps=[step(*start), moved], cursor=1)]))
    assert news["exact"]["weights"] == moved["weights"]
    assert news["exact"] == desk(served).exact
    assert list(desk(served).mix.weights.values()) == moved["weights"]


def test_questions_are_answered_in_order(served: Served) -> None:
    token = desk(served).bars["tokens"][0]
    key = desk(served).bars["key"]
    said = served.hear([custom(op="receipt", id=1, key=key, token=token), custom(op="sing", id=2)])
    assert [one["content"]["id"] for one in said] == [1, 2]
    assert "layers" in said[0]["content"]
    assert errors(said) == ["Mixer does not know 'sing'."]


def test_another_text_comes_with_its_bytes(served: Served) -> None:
    said = served.hear([update(prompt="The tenant shall")])
    buffers = {name: text for one in said for name, text in one.get("buffers", {}).items() if "state" in one}
    assert base64.b64decode(buffers["bars_p"]) == desk(served).bars_p


def test_nobody_reaches_what_is_not_the_page_s(served: Served) -> None:
    other = Mixer(desk(served).mix)
    before = desk(served).get_state()
    for state in (
        {"layout": f"IPY_MODEL_{other.layout.model_id}"},
        {"_esm": "alert(1)"},
        {"exact": None},
        {"model": 1},
    ):
        (told,) = errors(served.hear([update(**state)]))
        assert told.startswith("The page may not set")
    assert desk(served).get_state() == before


def test_a_text_has_an_end(served: Served) -> None:
    (told,) = errors(served.hear([update(prompt="x" * (LONGEST + 1))]))
    assert told == "A text may have 4,000 characters here, and this one has 4,001. Take a part of it."
    assert errors(served.hear([custom(op="receipt", id=1, deep=[{"in": ["y" * 5000]}])]))
    assert desk(served).prompt == "At night the"


def test_who_does_not_wait_for_answers_blocks_himself_alone(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "PATIENCE", 0.01)
    with served._lock, pytest.raises(InputError, match="still at work"):
        served.hear([])
    assert served.hear([]) == []


def test_what_is_made_of_a_view_is_not_half_of_each(served: Served) -> None:
    turns = iter([update(prompt="The tenant shall"), update(prompt="Stir the soup")])

    def pair(widget: Widget) -> tuple[str, str]:
        before = cast("Mixer", widget).prompt
        for message in turns:
            served.hear([message])
            break
        return before, cast("Mixer", widget).prompt

    assert served.told(pair) == ("Stir the soup", "Stir the soup")


def test_a_view_that_never_rests_is_not_written_down(served: Served) -> None:
    with pytest.raises(InputError, match="Let it rest for a moment"):
        served.told(lambda _: served.hear([]))


@pytest.mark.parametrize("messages", [None, {}, "update", 1, [{}] * (MOST + 1)])
def test_what_is_no_list_of_messages_is_refused(served: Served, messages: object) -> None:
    with pytest.raises(InputError, match="a list of at most 64 messages"):
        served.hear(messages)


@pytest.mark.parametrize("message", [None, 1, "x", [], {}, {"method": "update"}, {"method": "update", "state": []},
                                     {"method": "close"}, {"method": ["update"], "state": {}},
                                     {"method": "custom", "content": "x"}])  # fmt: skip
def test_what_is_no_message_gets_the_reason(served: Served, message: object) -> None:
    assert errors(served.hear([message])) == [
        "Expected a message: an update with its state, or a custom one with its content."
    ]


@pytest.mark.parametrize("count", [0, 1, TURN, TURN + 1, MOST])
def test_messages_have_turns(count: int) -> None:
    parts = turns(list(range(count)))
    assert [one for part in parts for one in part] == list(range(count))
    assert len(parts) == max(1, -(-count // TURN))


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", ["mix", "route", "generate", "music"])
def test_whatever_a_page_says_the_widget_stands(woven: Library, kind: str) -> None:
    views = [Served(made(kind, number, woven)) for number in range(len(KINDS[kind]))]
    names = sorted({name for one in views for name in one.widget.reported})
    answers = {name for one in views for name in dir(one.widget) if name.startswith("_answer_")}
    ops = sorted(name.removeprefix("_answer_") for name in answers)
    ops = [op for op in ops if op not in ("fit", "generate", "write", "more", "fork")]  # they take their time

    @settings(max_examples=40)
    @given(st.data())
    def hears(data: st.DataObject) -> None:
        served = data.draw(st.sampled_from(views))
        if data.draw(st.booleans()):
            message = update(**{data.draw(st.sampled_from(names)): data.draw(STRANGE)})
        else:
            keys = st.sampled_from(["leaf", "step", "token", "mix", "expert", "key", "id", "note", "pitch"])
            content = data.draw(st.dictionaries(keys, STRANGE, max_size=3))
            message = custom(op=data.draw(st.sampled_from(ops)), **content) if ops else custom(**content)
        served.hear([message])
        assert stands(served.widget)

    hears()


def stands(widget: Widget) -> bool:
    return bool(repr(widget)) and bool(widget.get_state())
