"""A browser tab that gathers what a page must not do: ask for anything outside, fail, write to the console."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INSIDE = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")
SLOW = re.compile(r"Plugin @jupyterlab/\S+ .*\bto activate\.")


class Tab:
    """One page in a context of its own; `page` is Playwright's."""

    def __init__(
        self, browser: "Browser", *, width: int = 760, height: int = 900, dark: bool = False, **more: Any
    ) -> None:
        scheme = "dark" if dark else "light"
        viewport = {"width": width, "height": height}
        self.context = browser.new_context(
            viewport=viewport, color_scheme=scheme, **{"reduced_motion": "reduce", **more}
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.outside: list[str] = []
        self.console: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error.stack or error}"))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(INSIDE):
            self.outside.append(request.url)

    def _said(self, message: Any) -> None:
        # JupyterLab notes that it has started, and on a busy machine which of its own parts took long to.
        if message.type != "debug" and not SLOW.fullmatch(message.text):
            self.console.append(f"{message.type}: {message.text}")

    def shoot(self, path: Path, of: str = ".polyloom") -> None:
        """A picture of one element, or of the window for an empty selector."""
        (self.page.locator(of).first if of else self.page).screenshot(path=path)

    def faults(self, within: str = "html") -> list[str]:
        """What axe-core finds serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, context=within).response["violations"]
        return [
            f"{fault['id']}: {fault['help']}: {node['target']} {node['html'][:160]}"
            for fault in found
            if fault["impact"] in {"serious", "critical"}
            for node in fault["nodes"]
        ]

    def check(self) -> None:
        assert self.outside == []
        assert not self.console, "\n".join(self.console)

    def close(self) -> None:
        self.context.close()
