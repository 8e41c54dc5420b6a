"""A view in a tab with its Python behind it, without a notebook: traits and messages cross as calls.

The page is the exported one, but for the model: what it saves and sends goes to the widget in this process, and what
the widget sends comes back as the answer of the same call.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser.tab import Tab
from browser.view import settled
from polyloom_widgets.base.widget import Widget

# Put in the place of the model that an exported page has.
MODEL = """class PageModel extends Traits {
  constructor(state, buffers) { super(state, buffers); this.unsaved = {}; window.model = this; }
  set(name, value) { this.unsaved[name] = value; super.set(name, value); }
  save_changes() { const state = this.unsaved; this.unsaved = {}; this.hear(window.talk({ state })); }
  send(content) { this.hear(window.talk({ content })); }
  async hear(sent) {
    for (const { method, state, content, buffers } of await sent) {
      if (method === "update") {
        for (const [name, value] of Object.entries(state)) super.set(name, value);
        for (const [name, text] of buffers) super.set(name, bytesOf(text));
      } else this.tell("msg:custom", content, buffers.map(([, text]) => bytesOf(text)));
    }
  }
}
"""

PLAIN = (bool, int, float, str, list, dict)
DATA = '<script type="application/json">'


def alive(open_tab: Callable[..., Tab], view: Widget, folder: Path, **options: object) -> Tab:
    """A tab in which the view has drawn itself; what it does changes `view`."""
    tab = open_tab(**options)
    sent: list[dict[str, Any]] = []

    def keep(data: dict[str, Any], buffers: Any = (), **_: object) -> None:
        names = [path[-1] for path in data.get("buffer_paths", [])] or [""] * len(buffers or ())
        packed = [[name, base64.b64encode(one).decode()] for name, one in zip(names, buffers or (), strict=True)]
        sent.append({key: data.get(key) for key in ("method", "state", "content")} | {"buffers": packed})

    def talk(said: dict[str, Any]) -> list[dict[str, Any]]:
        sent.clear()
        if "state" in said:
            view.set_state(said["state"])
        else:
            view._handle_custom_msg(said["content"], [])
        return list(sent)

    view.comm.send = keep
    tab.page.expose_function("talk", talk)
    tab.page.goto(written(view, folder).as_uri())
    settled(tab.page)
    return tab


def written(view: Widget, folder: Path) -> Path:
    """The exported page, with the model above, and every trait as it is now."""
    file = view.to_html(folder / "alive.html")
    text = file.read_text("utf-8")
    begin = text.index("class PageModel extends Traits {")
    end = text.index("\n}\n", begin) + 3
    text = text[:begin] + MODEL + text[end:]
    own = {name: value for name, value in view.get_state().items() if name[0] != "_" and isinstance(value, PLAIN)}
    data = text.index(DATA) + len(DATA)
    kept = json.loads(text[data : text.index("</script>", data)])
    kept["state"] |= own
    text = text[:data] + json.dumps(kept).replace("<", "\\u003c") + text[text.index("</script>", data) :]
    policy = text.index("default-src")
    text = text[:policy] + "default-src * 'unsafe-inline' data:" + text[text.index('"', policy) :]
    file.write_text(text, "utf-8")
    return file
