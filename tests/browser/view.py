"""What every view must bear: opened from a disk, walked by keyboard, at every width, in every colour, taken along."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from browser.tab import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Light and dark at three widths; the colours of the system; and twice as large, on half a window.
LOOKS: dict[str, dict[str, object]] = {
    **{f"{width}-{'dark' if dark else 'light'}": {"width": width, "dark": dark}
       for width in (1100, 760, 380) for dark in (False, True)},
    "forced-light": {"width": 1100, "forced_colors": "active"},
    "forced-dark": {"width": 1100, "dark": True, "forced_colors": "active"},
    "zoomed": {"width": 550, "device_scale_factor": 2},
}  # fmt: skip
FEW = ("1100-light", "380-dark", "forced-dark")

TABBABLE = """() => [...document.querySelectorAll(".polyloom :is(button, input, select, summary, [tabindex])")]
  .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility())
  .map((one, n) => { one.dataset.testAt = n; return one.outerHTML.slice(0, 120); })"""
FOCUSED = """() => {
  const one = document.activeElement, look = getComputedStyle(one);
  return [one.dataset.testAt ?? "", look.outlineStyle !== "none" || look.boxShadow !== "none"];
}"""
# A copy is read, so that the browser does not take the view's own canvas for one that is read often.
COVERS = """source => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [source.width, source.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  return [...context.getImageData(0, 0, copy.width, copy.height).data].filter((_, n) => n % 4 === 3);
}"""
STICKS_OUT = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def everywhere(first: str, *others: str) -> list[Any]:
    """Cases of a page and a look: the first page in every look, the others in a few."""
    pairs = [*((first, look) for look in LOOKS), *((name, look) for name in others for look in FEW)]
    return [pytest.param(name, LOOKS[look], id=f"{name}-{look}") for name, look in pairs]


def opened(open_tab: Callable[..., Tab], file: Path, **options: object) -> Tab:
    """A tab without a network in which the page of a view has drawn itself."""
    tab = open_tab(**options)
    tab.context.set_offline(True)
    tab.page.goto(file.as_uri())
    settled(tab.page)
    return tab


def settled(page: "Page") -> None:
    """Wait until two frames have been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def cells(page: "Page") -> list[int]:
    """How much of each cell of the matrix is covered, 0 to 255, row after row."""
    return page.locator(".pl-cells").evaluate(COVERS)


def assert_usable(tab: Tab) -> None:
    """Nothing serious for axe-core, and nothing that sticks out of the window."""
    settled(tab.page)
    assert tab.faults() == []
    assert tab.page.evaluate(STICKS_OUT) <= 0


def assert_walked(page: "Page") -> None:
    """The tab key comes to every control, in the order of the page, and each shows that it has the focus."""
    controls = page.evaluate(TABBABLE)
    page.locator("h1").evaluate("title => { title.tabIndex = -1; title.focus(); }")
    for n, control in enumerate(controls):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED) == [str(n), True], control
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)[0] == "", "and it comes out again"


def assert_saved(tab: Tab, folder: Path, name: str, words: list[str]) -> list[list[str]]:
    """A view can be taken along as SVG and as PNG; returns what Copy table put on the clipboard."""
    page = tab.page
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    settled(page)
    root = page.locator(".polyloom").bounding_box()
    assert root is not None
    for form in ("SVG", "PNG"):
        page.locator(".pl-save summary").click()
        with page.expect_download() as found:
            page.get_by_role("button", name=form, exact=True).click()
        assert found.value.suggested_filename == f"{name}.{form.lower()}"
        found.value.save_as(folder / found.value.suggested_filename)
        page.locator(".pl-save-menu").wait_for(state="hidden")
    drawn = ElementTree.parse(folder / f"{name}.svg").getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    said = re.sub(r"\s+", " ", "".join(drawn.itertext()))
    for word in words:
        assert word in said
    head = (folder / f"{name}.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    size = (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    assert size == pytest.approx((2 * root["width"], 2 * root["height"]), abs=2)
    page.locator(".pl-save summary").click()
    page.get_by_role("button", name="Copy table", exact=True).click()
    page.get_by_text("copied", exact=True).wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    return [line.split("\t") for line in copied.split("\n")]
