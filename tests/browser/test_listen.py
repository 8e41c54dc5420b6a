"""Two pieces in a real Chromium: switched at the same place, seen apart, and hidden while somebody listens blind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from browser.alive import alive
from browser.tab import Tab
from browser.view import assert_saved, assert_usable, assert_walked, everywhere, opened, settled
from polyloom.music import Score
from polyloom_widgets.listen.listen import ListenAB

pytestmark = pytest.mark.browser
NAMES = ("as it was", "more blues")
LEFT = ".pl-head"
CUT = """button => {
  const range = document.createRange();
  range.selectNodeContents(button);
  return range.getBoundingClientRect().left - button.getBoundingClientRect().left;
}"""
COUNT_SETS = """() => {
  window.made = 0;
  window.Set = class extends Set { constructor(...given) { super(...given); made += 1; } };
}"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Eight bars, and six at half the tempo."""
    first = Score.of([(480 * n, 400, 60 + n % 7) for n in range(32)])
    second = Score.of([(480 * n, 400, 60 + n % 7 + (n > 9)) for n in range(24)], tempi=((0, 1_000_000),))
    return {"two": ListenAB(first, second, NAMES).to_html(tmp_path_factory.mktemp("listen") / "two.html")}


@pytest.mark.parametrize(("name", "look"), everywhere("two"))
def test_it_can_be_used_in_every_look(
    open_tab: Callable[..., Tab], files: dict[str, Path], name: str, look: dict[str, object]
) -> None:
    tab = opened(open_tab, files[name], **look)
    assert_usable(tab)
    tab.page.get_by_role("button", name="Can you tell them apart?").click()
    assert_usable(tab)


def test_every_control_is_walked(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    assert_walked(opened(open_tab, files["two"]).page)


def test_a_long_name_is_cut_at_its_end(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    score, long = Score.of([(0, 480, 60)]), "a long name " * 20
    view = ListenAB(score, score, (f"{long} one", f"{long} two"))
    page = opened(open_tab, view.to_html(tmp_path / "long.html"), width=760).page
    for n, name in enumerate(view.names):
        button = page.locator(f".pl-side[data-side='{n}']")
        assert button.get_attribute("title") == name
        assert 0 < button.evaluate(CUT) < 20
    view.close()


def test_it_is_taken_along(open_tab: Callable[..., Tab], files: dict[str, Path], tmp_path: Path) -> None:
    tab = opened(open_tab, files["two"])
    tab.page.get_by_role("button", name="Which is better?").click()
    tab.page.get_by_role("button", name="① is better").click()
    rows = assert_saved(tab, tmp_path, "listen", ["is better", "Liked better"])
    assert rows[0] == ["test", "X was", "said"]
    assert rows[1][:2] == ["prefer", ""]
    assert rows[1][2] in NAMES


def test_a_switch_keeps_the_place(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["two"]).page
    assert page.locator(".pl-legend").inner_text().split("\n") == [
        "10 notes in both", "22 in as it was alone", "14 in more blues alone",
    ]  # fmt: skip
    page.locator(".pl-field").click(position={"x": 400, "y": 60})
    settled(page)
    before = page.locator(LEFT).evaluate("one => parseFloat(one.style.left)")
    assert before == pytest.approx(100 * 400 / page.locator(".pl-field").bounding_box()["width"], abs=0.5)  # type: ignore[index]
    assert page.locator(".pl-clock").inner_text() == "bar 5 of 8"
    page.get_by_role("button", name="more blues").click()
    settled(page)
    assert page.locator(LEFT).evaluate("one => parseFloat(one.style.left)") == pytest.approx(before, abs=0.1)
    assert page.locator(".pl-clock").inner_text() == "bar 5 of 6"
    page.keyboard.press("a")
    settled(page)
    assert page.locator(".pl-clock").inner_text() == "bar 5 of 8"


def test_it_plays_on_where_it_is_switched(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["two"]).page
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => parseFloat(document.querySelector('.pl-head').style.left) > 2")
    page.keyboard.press("b")
    at = page.locator(LEFT).evaluate("one => parseFloat(one.style.left)")
    assert page.get_by_role("button", name="Pause").is_visible()
    page.wait_for_function(f"() => parseFloat(document.querySelector('.pl-head').style.left) > {at + 1}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    stood = page.locator(LEFT).evaluate("one => one.style.left")
    page.wait_for_timeout(200)
    assert page.locator(LEFT).evaluate("one => one.style.left") == stood


def test_blind_it_gives_nothing_away_and_counts(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["two"]).page
    page.get_by_role("button", name="Can you tell them apart?").click()
    settled(page)
    assert not page.locator(".pl-both-rolls").is_visible()
    assert page.get_by_text("as it was").count() == 0
    assert page.locator(".pl-side:visible").all_inner_texts() == ["A", "B", "X"]
    right = 0
    for _ in range(6):
        page.get_by_role("button", name="X is A").click()
        settled(page)
        right += page.locator(".pl-blind [role=status]").first.inner_text() == "Right."
    assert page.locator(".pl-verdicts").inner_text().startswith(f"Told apart: {right} of 6;")
    page.get_by_role("button", name="Open").click()
    page.locator(".pl-both-rolls").wait_for()


def test_beyond_the_end_of_the_shorter_piece_it_ends(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["two"]).page
    page.locator(".pl-scrubber").evaluate("one => { one.value = 700; one.dispatchEvent(new Event('input')); }")
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.keyboard.press("b")
    page.get_by_role("button", name="Play").wait_for()
    assert page.locator(".pl-clock").inner_text() == "bar 6 of 6"


def test_other_votes_from_python_stand_in_the_table(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    score = Score.of([(480 * n, 400, 60 + n % 7) for n in range(8)])
    view = ListenAB(score, score, NAMES, votes=[{"kind": "prefer", "said": 0}])
    page = alive(open_tab, view, tmp_path).page
    for said, name in enumerate(NAMES):
        page.evaluate("said => model.set('votes', [{ kind: 'prefer', said }])", said)
        settled(page)
        assert page.locator("tbody tr").all_text_contents() == [f"prefer{name}"]
    view.close()


def test_many_notes_are_compared_once(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    """As many as no call takes arguments; the picture is not computed anew where a hand only plays."""
    many = Score.of([(120 * n, 120, 40 + n % 40) for n in range(80_000)])
    view = ListenAB(many, many.transposed(1), NAMES)
    page = opened(open_tab, view.to_html(tmp_path / "many.html")).page
    assert page.locator(".pl-legend").inner_text().split("\n")[0] == "0 notes in both"
    page.evaluate(COUNT_SETS)
    for key in "bab":
        page.locator(".polyloom").press(key)
        settled(page)
    assert page.locator(".pl-clock").inner_text() == "bar 1 of 5000"
    assert page.evaluate("() => made") == 0
    view.close()
