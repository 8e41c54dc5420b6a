"""The page: a tab for each thing to do, in Gradio; inside stand the widgets of the notebooks, unchanged.

Gradio loads `served.js` from this server when a tab is opened, and hands it the element of the tab.  Fonts are those of
the reader's system: nothing is fetched from elsewhere.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import json
from typing import Any

import gradio as gr
from gradio.themes import Base

from polyloom_demo.kinds import FILES, KINDS

TITLE = "Polyloom"
SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]
STYLE = """
.gradio-container { width: 100%; max-width: 1132px !important; margin: 0 auto; }
.html-container { padding: 0 !important; }
.tab-container button.selected { color: var(--body-text-color) !important; }
footer { display: none !important; }
@media (max-width: 640px) {
  .main { padding: 8px 12px !important; }
  .tab-container button { padding: 0 5px !important; font-size: 13px !important; }
}
"""
HEAD = f'<link rel="stylesheet" href="polyloom/views.css"><style>{STYLE}</style>'

TABS = {
    "mix": ("Mix", "Five small models, one fader each. Move one: what comes next, and how well the mix predicts."),
    "attend": ("Attend", "Where each head of a small transformer looks. Silence one and see what it was good for."),
    "route": ("Route", "Who speaks, token by token, and how narrowly it was decided."),
    "compose": ("Compose", "Bring texts or models of your own, and put them under faders."),
    "generate": ("Generate", "Watch a text grow, stop it, go back, and let it go on another way or under another mix."),
    "music": ("Music", "Play four styles from their faders, ask each note who chose it, and hear two mixes blind."),
}


def served(plan: dict[str, Any]) -> gr.HTML:
    """An element in which `served.js` shows a view."""
    script = f"""
      import(new URL("polyloom/served.js", document.baseURI))
        .then(({{ serve }}) => serve(element.querySelector(".demo-host"), {json.dumps(plan)}));"""
    return gr.HTML(html_template='<div class="demo-host"></div>', js_on_load=script, apply_default_css=False)


def page() -> gr.Blocks:
    """The whole page."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown("# Polyloom\nMix language models like sound: every model is a fader, every word has a receipt.")
        with gr.Tabs():
            for kind, (name, told) in TABS.items():
                with gr.Tab(name, id=kind):
                    gr.Markdown(told)
                    labels = [example.label for example in KINDS[kind]]
                    served({"kind": kind, "examples": labels, "files": _files(kind)})
    return blocks


def _files(kind: str) -> dict[str, Any] | None:
    """What the page is told of the files that may be brought."""
    files = FILES.get(kind)
    return files and {
        "endings": ",".join(files.endings), "several": files.count > 1, "most": files.most, "told": files.told,
    }  # fmt: skip


def looks() -> dict[str, Any]:
    """What Gradio is told of the look, where the page is mounted."""
    return {"theme": Base(font=SYSTEM, font_mono=MONO), "head": HEAD}
