"""The web demo in a real browser: visitors with faders of their own, every tab alive, nothing from outside."""

from collections.abc import Callable, Iterator

import pytest

from browser.demo import served
from browser.hand import Hand
from browser.tab import Tab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("demo")) as found:
        yield found


def opened(tab: Tab, address: str) -> Hand:
    """The first tab with its desk."""
    tab.page.goto(address)
    hand = Hand(tab.page)
    hand.desk.wait_for()
    hand.await_sign("=")
    return hand


def test_two_visitors_move_their_own_faders(open_tab: Callable[..., Tab], address: str) -> None:
    mine, yours = opened(open_tab(), address), opened(open_tab(), address)
    mine.fader("sea").focus()
    mine.page.keyboard.press("End")
    mine.await_sign("=")
    yours.fader("kitchen").focus()
    yours.page.keyboard.press("Home")
    yours.await_sign("=")
    assert mine.weight("sea") > 1
    assert (mine.weight("kitchen"), yours.weight("kitchen"), yours.weight("sea")) == (1, 0, 1)
    assert mine.words() != yours.words()
    assert mine.perplexity() != yours.perplexity()


def test_the_address_is_the_mix(open_tab: Callable[..., Tab], address: str) -> None:
    first = opened(open_tab(), address)
    first.fader("sea").focus()
    first.page.keyboard.press("End")
    first.await_sign("=")
    first.page.wait_for_function("() => location.hash.startsWith('#recipe=')")
    second = opened(open_tab(), first.page.url)
    assert second.weight("sea") == first.weight("sea")
    assert second.chances() == first.chances()
