// @ts-check
/**
 * A router's decision: every expert's probability against the threshold, and its features under sliders.
 *
 * A feature at 1 is as it stands in the text, at 0 it is gone. The page decides anew while a slider moves: the logits are
 * sums over features. The tick on a slider is where the second best would draw level, if that is within its reach.
 */
import { attribute, button, make, probability, style, write } from "../base/dom.js";
import { levelAt, routedAnew } from "./chooser.js";

const SHOWN_EXPERTS = 8;
const STRENGTH = 3; // of a slider, at most

/** @param {import("./choices.js").Choices} choices @param {import("../base/dom.js").Lifetime} life */
export function routerPanel(choices, life) {
  const verdict = make("p", { class: "pl-verdict", role: "status", "aria-live": "polite" });
  const experts = make("ol", { class: "pl-loads", "aria-label": "Probability of each expert" });
  const back = button("As it is", { class: "pl-button pl-small" });
  const features = make("ol", { class: "pl-features", "aria-label": "Features of the text" });
  const element = make("section", { class: "pl-router", "aria-label": "Router" }, verdict, experts,
    make("div", { class: "pl-part-head" }, make("span", { class: "pl-title" }, "what speaks for it: 1 as in the text, 0 gone; the tick is where the second best draws level"), make("span", { class: "pl-space" }), back), features);
  /** @type {Record<string, number> | null} */
  let draft = null;
  let listed = "";
  life.listen(back, "click", () => { draft = null; choices.set({ scales: {} }); });
  const scales = () => draft ?? choices.model.get("scales") ?? {};
  const slide = (/** @type {string} */ name, /** @type {number} */ value, /** @type {boolean} */ released) => {
    const now = { ...scales(), [name]: value };
    if (value === 1) delete now[name];
    draft = released ? null : now;
    if (released) choices.set({ scales: now });
    else choices.redraw();
  };
  /** @type {ReturnType<typeof featureRow>[]} */
  let rows = [];

  const draw = () => {
    const parts = choices.model.get("parts");
    if (!parts?.features) return;
    const names = Object.keys(parts.features);
    const now = JSON.stringify(parts);
    if (now !== listed) {
      listed = now;
      rows = names.map((name) => featureRow(life, name, slide));
      features.replaceChildren(...rows.map((row) => row.element));
    }
    const { table } = choices;
    const { scores, none } = routedAnew(parts, scales());
    const order = scores.map((_, e) => e).sort((a, b) => scores[b] - scores[a] || a - b);
    const [best, second] = order;
    const routed = scores[best] >= table.threshold;
    write(verdict, routed ? `${table.experts[best]}: ${probability(scores[best])}, ahead of ${table.experts[second]} by ${Math.log(scores[best] / scores[second]).toFixed(2)} nats`
      : `nobody: ${table.experts[best]} comes nearest with ${probability(scores[best])} of the ${probability(table.threshold)} it needs`);
    experts.replaceChildren(...order.slice(0, SHOWN_EXPERTS).map((e) => expertBar(table.experts[e], e, scores[e], table.threshold)), expertBar("none of them", -1, none, 1));
    attribute(back, "hidden", !Object.keys(scales()).length);
    for (const row of rows) {
      const value = scales()[row.name] ?? 1;
      if (row.slider.value !== String(value)) row.slider.value = String(value);
      const level = levelAt(parts, scales(), row.name);
      row.tick.hidden = !(level >= 0 && level <= STRENGTH);
      style(row.tick, "--pl-at", (level / STRENGTH).toFixed(4));
      const lead = parts.features[row.name][best] - parts.features[row.name][second];
      write(row.said, `${lead < 0 ? "\u2212" : "+"}${Math.abs(lead).toFixed(2)} nats for ${table.experts[best]}${value === 1 ? "" : `, × ${value.toFixed(2)}`}`);
    }
  };
  return { element, draw };
}

/** @param {string} name @param {number} e @param {number} score @param {number} threshold */
function expertBar(name, e, score, threshold) {
  const bar = make("i", { class: `pl-load-bar pl-layer ${e < 0 ? "pl-layer-base" : `pl-layer-${e % 7}${e >= 7 ? " pl-hatched" : ""}`}` });
  const tick = make("i", { class: "pl-even", hidden: e < 0 });
  style(bar, "width", `${(100 * score).toFixed(1)}%`);
  style(tick, "left", `${(100 * threshold).toFixed(1)}%`);
  return make("li", {}, make("span", { class: "pl-load-name" }, name), make("span", { class: "pl-load-field" }, bar, tick), make("span", { class: "pl-load-share" }, probability(score)));
}

/** @param {import("../base/dom.js").Lifetime} life @param {string} name @param {(name: string, value: number, released: boolean) => void} slide */
function featureRow(life, name, slide) {
  const slider = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-bias", min: 0, max: STRENGTH, step: 0.05, "aria-label": `strength of ${name}` }));
  const tick = make("i", { class: "pl-flip-tick" });
  const said = make("span", { class: "pl-muted pl-flip" });
  const element = make("li", {}, make("span", { class: "pl-load-name" }, name), make("span", { class: "pl-slider-field" }, slider, tick), said);
  life.listen(slider, "input", () => slide(name, Number(slider.value), false));
  life.listen(slider, "change", () => slide(name, Number(slider.value), true));
  life.listen(slider, "dblclick", () => slide(name, 1, true));
  return { element, name, slider, tick, said };
}
