"""Written texts under one another: each word in the colour of who spoke for it, and where texts part."""

from polyloom import Layered, Sampling
from polyloom.compose.weave import HeldOut
from polyloom_widgets import spoken
from polyloom_widgets.base.palette import PALETTE


def html(mix: Layered, prompts: dict[str, str]) -> str:
    written = {
        name: mix.generate(text, Sampling(seed=n, max_tokens=8)) for n, (name, text) in enumerate(prompts.items())
    }
    return spoken(written)._repr_html_()  # pyright: ignore[reportPrivateUsage] - what a notebook calls


def test_words_have_the_colour_of_the_loudest(woven: tuple[Layered, HeldOut]) -> None:
    sea = woven[0].activate("sea")
    assert html(sea, {"one": "At night the"}).count(PALETTE[0]) > 1


def test_texts_after_one_prompt_part_at_a_mark(woven: tuple[Layered, HeldOut]) -> None:
    assert html(woven[0], {"one": "At night the", "two": "At night the"}).count("⑂") == 1


def test_texts_after_different_prompts_have_nothing_to_part_from(woven: tuple[Layered, HeldOut]) -> None:
    assert "⑂" not in html(woven[0], {"one": "At night the", "two": "In the morning the"})
