"""A visitor's hands and eyes on a desk: what is drawn, and moves by keyboard and mouse."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MINUS = "\u2212"


def number(text: str) -> float:
    """The first number of a text as the desk writes it."""
    found = re.search(rf"[+{MINUS}-]?\d[\d.]*", text.replace("\u202f", ""))
    assert found, text
    return float(found[0].replace(MINUS, "-"))


@dataclass
class Hand:
    """One desk in a page: the first, unless told otherwise."""

    page: "Page"
    nth: int = 0

    @property
    def desk(self) -> "Locator":
        return self.page.locator(".polyloom.pl-mixer").nth(self.nth)

    def find(self, selector: str) -> "Locator":
        return self.desk.locator(selector)

    def fader(self, name: str) -> "Locator":
        return self.desk.get_by_role("slider", name=name, exact=True)

    def button(self, name: str) -> "Locator":
        return self.desk.get_by_role("button", name=name, exact=True)

    def weight(self, name: str) -> float:
        return float(self.fader(name).get_attribute("aria-valuenow") or "nan")

    def sign(self) -> str:
        """= or ≈."""
        return self.find(".pl-badge-sign").text_content() or ""

    def await_sign(self, sign: str) -> None:
        """Wait for = or ≈ under what is drawn next, not under what stands there now."""
        self.settled()
        self.find(".pl-badge-sign").get_by_text(sign, exact=True).wait_for()

    def settled(self) -> None:
        """Wait until two frames have been drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def words(self) -> list[str]:
        """The words of the bars, likeliest first."""
        return self.find(".pl-row:not([data-blank]) .pl-word").all_text_contents()

    def chances(self) -> dict[str, float]:
        """The probabilities that are drawn."""
        return dict(
            zip(
                self.words(), map(number, self.find(".pl-row:not([data-blank]) .pl-p").all_text_contents()), strict=True
            )
        )

    def perplexity(self) -> float:
        return number((self.find(".pl-meaning").text_content() or "").removeprefix("perplexity"))

    def headline(self) -> str:
        return self.find(".pl-headline").text_content() or ""

    def slices(self) -> dict[str, tuple[float, float]]:
        """Pinned and present perplexity by name."""
        names = self.find(".pl-slice-name").all_text_contents()
        texts = [text.split("→") for text in self.find(".pl-slice-figures").all_text_contents()]
        return {name: (number(then), number(now)) for name, (then, now) in zip(names, texts, strict=True)}

    def grab(self, name: str) -> tuple[float, float]:
        """Press the mouse on a thumb and hold it; its middle."""
        box = self.fader(name).bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        return x, y
