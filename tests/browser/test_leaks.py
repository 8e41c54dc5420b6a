"""Every view opened and closed two hundred times: nothing is left in the page.

A page holds the module and the traits of a view, as it was exported. Each cycle renders the view into a new element,
lets it draw, and cleans up. What the page still listens to, and how many nodes it holds after its garbage was
collected, must not have grown.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import polyloom
from browser.tab import Tab
from browser.view import opened
from polyloom import AdapterBank, ByteVocabulary, Router, Sampling
from polyloom.adapters import LoRA
from polyloom.compose.weave import HeldOut
from polyloom.music import Score
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_widgets import (
    ExpertRack,
    GenerationView,
    ListenAB,
    Mixer,
    PianoRoll,
    RoutingView,
    TrainingView,
    head_view,
)
from polyloom_widgets.base.bundle import bundle
from polyloom_widgets.base.widget import Widget
from toolkit.adapters.learned import learned
from widgets.training_run import watched

pytestmark = pytest.mark.browser
CYCLES = 200

# The module once more, with a model that counts who listens; drawn frames are awaited as a visitor's would be.
CYCLE = """async ([source, cycles]) => {
  const widget = new Function(source.replace("export default", "return"))();
  const { state, buffers } = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const decoded = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const arrays = Object.entries(buffers).map(([name, text]) => [name, decoded(text)]);
  const whole = { ...state, ...Object.fromEntries(arrays) };
  const heard = new Map();
  const model = {
    get: (name) => whole[name], set: (name, value) => { whole[name] = value; }, save_changes() {}, send() {},
    on: (event, handler) => { heard.set(event, (heard.get(event) ?? new Set()).add(handler)); },
    off: (event, handler) => heard.get(event)?.delete(handler),
  };
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (let n = 0; n < cycles; n += 1) {
    const el = document.body.appendChild(document.createElement("div"));
    const end = widget.render({ model, el });
    await frame();
    end();
    if (el.childNodes.length) throw new Error("something stands in the page after the clean-up");
    el.remove();
  }
  await frame();
  return [...heard.values()].reduce((sum, handlers) => sum + handlers.size, 0);
}"""


def rack() -> ExpertRack:
    """Two adapters over a small base."""
    config = TransformerConfig(257, width=16, layers=1, context=32, attention=Attention(heads=2, kv_heads=2))
    base = TransformerModel.build(config, ByteVocabulary(), seed=1)
    return ExpertRack(AdapterBank(base, {f"expert-{n}": learned(LoRA(rank=2), base, seed=n) for n in (1, 2)}))


@pytest.fixture(scope="module")
def views(woven: tuple[polyloom.Layered, HeldOut]) -> dict[str, Widget]:
    mix, held_out = woven
    size = 12
    shares = np.tril(np.random.default_rng(0).exponential(size=(2, 3, size, size)))
    generation = GenerationView(mix, "At night the", Sampling(seed=1, max_tokens=12))
    generation.write()
    generation.fork(3)
    training = TrainingView()
    watched(training, steps=300, every=60)
    return {
        "attention": head_view(shares / shares.sum(-1, keepdims=True), ["word"] * size),
        "generation": generation,
        "listen": ListenAB(Score.of([(0, 480, 60)]), Score.of([(0, 480, 64)])),
        "mixer": Mixer(mix, prompt="At night the", held_out=held_out),
        "rack": rack(),
        "roll": PianoRoll(Score.of([(0, 480, 60), (480, 480, 64)]), note=1),
        "routing": RoutingView(Router.fit({"a": ["one wave", "two waves"], "b": ["one cup", "two cups"]}), "a wave"),
        "training": training,
    }


@pytest.mark.long
@pytest.mark.parametrize("name", ["attention", "generation", "listen", "mixer", "rack", "roll", "routing", "training"])
def test_two_hundred_cycles_leave_nothing_in_the_page(
    open_tab: Callable[..., Tab], views: dict[str, Widget], name: str, tmp_path: Path
) -> None:
    view = views[name]
    file = view.to_html(tmp_path / "view.html")
    file.write_text(file.read_text("utf-8").replace("script-src ", "script-src 'unsafe-eval' "), "utf-8")
    tab = opened(open_tab, file)
    session = tab.context.new_cdp_session(tab.page)

    def counted() -> tuple[int, int]:
        """Nodes and listeners that live on."""
        session.send("HeapProfiler.collectGarbage")
        found = session.send("Memory.getDOMCounters")
        return found["nodes"], found["jsEventListeners"]

    module = bundle(type(view).module)
    assert tab.page.evaluate(CYCLE, [module, 3]) == 0  # what is made once is made now
    before = counted()
    assert tab.page.evaluate(CYCLE, [module, CYCLES]) == 0
    nodes, listeners = counted()
    assert listeners <= before[1]
    assert nodes <= before[0] + 20, "a few belong to the browser"
