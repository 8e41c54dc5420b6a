"""How long a reader waits for a view: from the end of its cell in JupyterLab until it is painted."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.lab import jupyterlab
from browser.tab import Tab
from browser.test_lesson import READY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

MOST = 300  # milliseconds
TIMES = 3
SETUP = """
import numpy as np, torch, polyloom
from polyloom import ByteVocabulary, Sampling
from polyloom.music import Score
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_datasets import load
from polyloom_widgets import AttentionView, GenerationView, ListenAB, Mixer, PianoRoll, RoutingView
torch.set_num_threads(1)
config = TransformerConfig(257, width=32, layers=2, context=512, attention=Attention(4), experts=Experts(6, 2))
model = TransformerModel.build(config, ByteVocabulary(), seed=3)
voices = {name: load(name) for name in ("sea", "kitchen", "contracts", "lullabies", "field_guide")}
mix, held_out = polyloom.weave(voices, progress=False)
written = mix.generate("At night the", Sampling(0.8, 40, seed=1))
score, short = (Score.of([(120 * n, 240, 40 + n * 7 % 40) for n in range(count)]) for count in (5000, 100))
"""
VIEWS = {
    "mixer": 'Mixer(mix, "At night the", held_out)',
    "generation": "GenerationView(written)",
    "attention": 'AttentionView(model, "the captain went to sea")',
    "routing": 'RoutingView(model, "the captain went to sea")',
    "roll": "PianoRoll(score)",
    "listen": "ListenAB(short, short.transposed(1))",
}
# From the kernel's word that it is idle again to the first task after the frame in which the view has a height.
RUN = """async (at) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const { kernel } = panel.sessionContext.session;
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  panel.content.activeCellIndex = at;
  panel.content.deselectAll();
  let ended = 0;
  const hear = (_, { header, parent_header: parent, content }) => {
    const idle = header.msg_type === "status" && content.execution_state === "idle";
    if (idle && parent.msg_type === "execute_request") ended = performance.now();
  };
  kernel.iopubMessage.connect(hear);
  window.jupyterapp.commands.execute("notebook:run-cell");
  const output = panel.content.widgets[at].node;
  const seen = () => output.querySelector(".jp-OutputArea .polyloom")?.getBoundingClientRect().height > 40;
  while (ended === 0 || (at > 0 && !seen())) await frame();
  const { port1, port2 } = new MessageChannel();
  await new Promise((done) => { port1.onmessage = done; port2.postMessage(0); });
  kernel.iopubMessage.disconnect(hear);
  const waited = performance.now() - ended;
  if (at > 0) {
    panel.content.widgets[at].model.outputs.clear();
    await frame();
  }
  return waited;
}"""


@pytest.fixture(scope="module")
def page(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Page]":
    folder = tmp_path_factory.mktemp("paint")
    sources = [SETUP.strip(), *VIEWS.values()]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "paint.ipynb")
    with jupyterlab(folder / "paint.ipynb", folder / "server") as address:
        tab = Tab(chromium, width=1100, height=1000)
        tab.page.set_default_timeout(60_000)
        tab.page.goto(address)
        tab.page.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.page.wait_for_function(READY)
        tab.page.evaluate(RUN, 0)
        yield tab.page
        tab.check()
        tab.close()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_painted_soon_after_its_cell(page: "Page", name: str) -> None:
    waits = [page.evaluate(RUN, 1 + list(VIEWS).index(name)) for _ in range(TIMES)]
    print(f"{name}: painted {', '.join(f'{wait:.0f}' for wait in waits)} ms after its cell ended")
    assert max(waits) <= MOST
