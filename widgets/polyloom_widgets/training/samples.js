// @ts-check
/**
 * What the model writes, as it gets better: the first text and the newest, and all that were kept on demand.
 */
import { attribute, button, make } from "../base/dom.js";
import { whole } from "./figures.js";

/** @typedef {import("./figures.js").Figures} Figures */

const SHORT = 2;

/** @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function samples(life, redraw) {
  const list = make("ol", { class: "pl-samples", "aria-label": "What the model writes" });
  const more = button("all texts", { class: "pl-button pl-small", "aria-pressed": "false" });
  const element = make("div", { class: "pl-writes" }, make("div", { class: "pl-writes-head" }, make("span", { class: "pl-title" }, "what it writes"), more), list);
  let every = false;
  let drawn = "";
  life.listen(more, "click", () => { every = !every; redraw(); });

  const draw = (/** @type {Figures} */ { samples: texts }) => {
    attribute(element, "hidden", !texts.length);
    attribute(more, "hidden", texts.length <= SHORT);
    attribute(more, "aria-pressed", String(every));
    const chosen = every || texts.length <= SHORT ? texts : [texts[0], texts[texts.length - 1]];
    const now = chosen.map((text) => text.step).join(" ");
    if (now === drawn) return;
    drawn = now;
    list.replaceChildren(...chosen.map((text) => make("li", {}, make("span", { class: "pl-muted" }, `step ${whole(text.step)}`), make("q", {}, text.text.trim() || "(nothing)"))));
  };
  return { element, draw };
}
