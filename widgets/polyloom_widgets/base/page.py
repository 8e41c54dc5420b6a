"""A widget as one HTML file that needs neither Python nor a network.

The file carries the widget's module, its style sheet, its traits as JSON and its arrays as base64. A content security
policy allows exactly the script and the style that were written, by their digests, and nothing from outside: the page
can be mailed, opened from a disk and put behind any firewall. `page.js` is the model in the kernel's place.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from polyloom_widgets.base.bundle import bundle

SHIM = Path(__file__).with_name("page.js")
FRAME = """\
:root { color-scheme: light dark; }
body { max-width: 1200px; margin: 0 auto; padding: 16px; font: 13px/18px system-ui, sans-serif;
  background: light-dark(#fff, #111); color: light-dark(#1b1b1b, #f0f0f0); }
h1 { margin: 0 8px 8px; font-size: 20px; line-height: 28px; }
footer { margin: 16px 8px; color: light-dark(#595959, #b0b0b0); }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="polyloom">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div></div>
<noscript>This page draws itself with JavaScript, which is switched off.</noscript>
</main>
<footer>Made with Polyloom. This page needs no Python and no network.</footer>
<script type="application/json">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def page(title: str, module: str, css: str, state: Mapping[str, object], buffers: Mapping[str, bytes]) -> str:
    """Return the HTML of a page that runs a widget without a kernel.

    Args:
        title: what the window and the heading say; any text.
        module: the text of one ES module without imports, with one `export default` (see `bundle`).
        css: its style sheet.
        state: the traits that JSON can hold; no NaN, no infinity.
        buffers: the traits that are bytes; the module finds them as `DataView`, as in a notebook.

    Raises:
        ValueError: a module without exactly one default export, text that would end its element early, a trait given
            twice, a number that JSON cannot hold.

    """
    if twice := state.keys() & buffers.keys():
        raise ValueError(f"traits given both as JSON and as bytes: {', '.join(sorted(twice))}")
    script = _checked(_script(module), "the module")
    style = _checked(FRAME + css, "the style sheet")
    arrays = {name: base64.b64encode(value).decode("ascii") for name, value in buffers.items()}
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    data = _json({"state": dict(state), "buffers": arrays})
    return PAGE.format(policy=policy, title=html.escape(title), style=style, data=data, script=script)


def _script(module: str) -> str:
    """Return the module as an expression, the model that stands in for Python, and the call that opens the page."""
    body, count = re.subn(r"^export default ", "return ", module, flags=re.M)
    if count != 1:
        raise ValueError(f"a page needs a module with one line that begins with `export default`; this one has {count}")
    if found := re.search(r"^(?:import|export)\b.*", body, re.M):
        raise ValueError(f"a page needs one module without other imports and exports: {found[0]!r}. Bundle it first.")
    return f"\nconst widget = (() => {{\n{body}\n}})();\n\n{_shim()}\nopenPage(widget);\n"


@cache
def _shim() -> str:
    return re.sub("^export ", "", bundle(SHIM), flags=re.M)


def _checked(text: str, what: str) -> str:
    """Refuse text that an HTML parser would not take as one script or style element."""
    if found := re.search(r"</(?:script|style)|<!--|<script|\r|\0", text, re.I):
        raise ValueError(f"{what} contains {found[0]!r}, which would end or change its element. Write it apart.")
    return text


def _json(value: object) -> str:
    r"""Return JSON in which nothing can end the element: `<`, `>`, `&`, U+2028 and U+2029 are written as \uXXXX."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _digest(text: str) -> str:
    """Return the digest of an inline element as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
