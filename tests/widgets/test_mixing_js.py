"""The desk's arithmetic in JavaScript against NumPy, on two hundred random mixes.

The definitions below are those of the design: a linear pool over the layers that sound, perplexity, a paired 95 %
interval whose sampling unit is the document. JavaScript gets the float32 arrays that the page gets, NumPy works in
float64.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import bundle

MIXING = bundle(Path(module.__file__).parents[1] / "mixer" / "mixing.js")
CASES = 200
RUN = """
const floats = (list) => Float32Array.from(list);
const answers = cases.map((one) => {
  const weights = effective(one.step), shares = sharesOf(weights), pinned = sharesOf(one.pinned);
  const bars = mixed(floats(one.bars), shares), rows = floats(one.rows);
  const now = logMixed(rows, shares), then = logMixed(rows, pinned);
  const receipt = scaledReceipt(one.receipt, shares);
  return {
    weights, shares, bars: [...bars], top: best(bars, 10), bound: bound(one.rest, shares),
    ...comparison(now, then, one.blocks), band: sampledHalf(now, one.blocks, 2 * now.length),
    tempered: [...tempered(bars, bound(one.rest, shares), one.temperature)],
    perplexity: perplexity(now), part: perplexity(now, 1, now.length - 1),
    total: receipt.total, residual: receipt.residual, starts: receipt.starts,
  };
});
"""


def random_case(rng: np.random.Generator) -> dict[str, Any]:
    """A step with some layers silent, bars, held-out rows in documents, and a receipt."""
    layers, listed, positions = rng.integers(1, 9), rng.integers(10, 60), rng.integers(3, 400)
    muted, soloed = rng.random(layers) < 0.25, rng.random(layers) < 0.15
    muted[0], soloed[0] = False, soloed.any()
    weights = np.round(rng.uniform(0.05, 4, layers), 2)
    bars = rng.dirichlet(np.full(listed + 1, 0.3), layers)[:, :listed].astype(np.float32)
    rows = rng.uniform(1e-6, 0.5, (layers, positions)).astype(np.float32)
    terms = [rng.dirichlet(np.ones(3)) * p for p in rng.uniform(0, 0.5, layers)]
    return {
        "step": {"weights": weights.tolist(), "muted": muted.tolist(), "soloed": soloed.tolist()},
        "pinned": rng.uniform(0.1, 2, layers).tolist(),
        "bars": bars.ravel().tolist(),
        "rows": rows.ravel().tolist(),
        "rest": bars.min(1).tolist(),
        "blocks": np.sort(rng.integers(0, 9, positions)).tolist(),
        "temperature": float(rng.uniform(0.2, 2)),
        "receipt": [
            {"name": str(k), "p": float(sum(term)), "terms": [{"name": "t", "value": v} for v in term.tolist()]}
            for k, term in enumerate(terms)
        ],
    }


def by_numpy(case: dict[str, Any]) -> dict[str, Any]:
    """What the desk must show, written down from the definitions."""
    step = case["step"]
    muted, soloed = np.array(step["muted"]), np.array(step["soloed"])
    weights = np.where(muted | (soloed.any() & ~soloed), 0.0, step["weights"])
    shares = weights / weights.sum()
    pinned = np.array(case["pinned"]) / np.sum(case["pinned"])
    layers = len(weights)
    bars = shares @ np.array(case["bars"]).reshape(layers, -1)
    rows = np.array(case["rows"]).reshape(layers, -1)
    now, then = np.log(shares @ rows), np.log(pinned @ rows)
    blocks = np.array(case["blocks"])

    def error(values: np.ndarray) -> float:
        sums = np.array([(values[blocks == b] - values.mean()).sum() for b in np.unique(blocks)])
        return float(np.sqrt((sums**2).sum()) / len(values))

    rest = float(shares @ case["rest"])
    power = 1 / case["temperature"]
    hot = bars**power
    unlisted = max(0.0, 1 - bars.sum()) / rest * rest**power if rest > 0 else 0.0
    ratio = np.exp(-now.mean()) / np.exp(-then.mean())
    p = np.array([layer["p"] for layer in case["receipt"]])
    return {
        "weights": weights,
        "shares": shares,
        "bars": bars,
        "top": np.argsort(-bars, kind="stable")[:10],
        "bound": rest,
        "change": 100 * (ratio - 1),
        "half": 1.96 * error(now - then) * ratio * 100,
        "tempered": hot / (hot.sum() + unlisted),
        "band": 1.96 * error(now) * np.sqrt(0.5) * np.exp(-now.mean()),
        "perplexity": np.exp(-now.mean()),
        "part": np.exp(-now[1:-1].mean()),
        "total": shares @ p,
        "residual": 0.0,
        "starts": np.concatenate([[0.0], np.cumsum(shares * p)[:-1]]),
    }


def in_node(script: str) -> Any:
    """Run the module in node; the expression's value is the constant `answers`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    text = f"{script}\nconsole.log(JSON.stringify(answers));\n"
    done = subprocess.run([node, "--input-type=module"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_chromium(script: str) -> Any:
    """Run it in a browser, as readers do."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium: set CHROMIUM, or install it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--headless", "--no-sandbox", "--disable-gpu"])
        try:
            plain = re.sub(r"^export ", "", script, flags=re.M)
            return json.loads(browser.new_page().evaluate(f"() => {{ {plain}\nreturn JSON.stringify(answers); }}"))
        finally:
            browser.close()


@pytest.mark.parametrize("engine", [in_node, pytest.param(in_chromium, marks=pytest.mark.browser)])
def test_two_hundred_mixes_agree_with_numpy(engine: Callable[[str], Any]) -> None:
    rng = np.random.default_rng(7)
    cases = [random_case(rng) for _ in range(CASES)]
    answers = engine(f"{MIXING}\nconst cases = {json.dumps(cases)};\n{RUN}")
    assert len(answers) == CASES
    for case, answer in zip(cases, answers, strict=True):
        wanted = by_numpy(case)
        assert answer.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(answer[name], value, rtol=1e-5, atol=1e-9, err_msg=name)


def test_worked_by_hand() -> None:
    """Two layers, weights 3 and 1: p = 3/4 p1 + 1/4 p2. The perplexity of (1/2, 1/8) is 4."""
    answers = in_node(
        MIXING
        + """
        const shares = sharesOf(effective({ weights: [3, 1], muted: [false, false], soloed: [false, false] }));
        const answers = {
          mixed: [...mixed([0.5, 0.25, 0.1, 0.05], shares)],
          perplexity: perplexity(logMixed([0.5, 0.125], [1])),
          half: comparison([0, -2], [-1, -1], [0, 1]).half, together: comparison([0, -2], [-1, -1], [0, 0]).half,
          solo: effective({ weights: [1, 2, 3], muted: [false, true, false], soloed: [true, true, false] }),
          silent: sharesOf([0, 0]), empty: perplexity([]), never: logMixed([0, 0.5], [1])[0] < -80,
          hot: [...tempered([0.6, 0.4], 0, 0.5)], coldest: [...tempered([0.6, 0.4], 0, 0)].map((p) => p > 0.99),
          ties: best([1, 2, 2, 0], 3),
          residual: scaledReceipt([{ name: "a", p: 0.5, terms: [{ name: "t", value: 0.3 }, { name: "u", value: 0.1,
            terms: [{ name: "v", value: 0.1 }] }] }], [1]).residual,
        };
        """
    )
    assert answers["mixed"] == pytest.approx([0.4, 0.2])
    assert answers["perplexity"] == pytest.approx(4)
    assert answers["half"] == pytest.approx(1.96 * np.sqrt(2) / 2 * 100)
    assert answers["together"] == pytest.approx(0)
    assert answers["solo"] == [1, 0, 0]
    assert answers["silent"] == [0, 0]
    assert answers["empty"] is None  # NaN: there is nothing to be perplexed by
    assert answers["never"] is True
    assert answers["hot"] == pytest.approx([0.36 / 0.52, 0.16 / 0.52])
    assert answers["coldest"] == [True, False]
    assert answers["ties"] == [1, 2, 0]
    assert answers["residual"] == pytest.approx(0.1)
