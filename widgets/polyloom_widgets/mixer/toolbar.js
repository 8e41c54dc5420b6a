// @ts-check
/** The toolbar: presets, undo and redo, a fit by Python, the recipe, and the word whether the figures are exact. */
import { attribute, button, make, makeSvg, switchOff, write } from "../base/dom.js";
import { sameNumbers } from "./mixing.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life @param {{toggle: () => void, isOpen: () => boolean}} panel the recipe */
export function toolbar(desk, life, panel) {
  const choice = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "Preset" }));
  const undo = button("Undo", { class: "pl-button pl-icon" }, arrow(false));
  const redo = button("Redo", { class: "pl-button pl-icon" }, arrow(true));
  const fit = button("Fit", { title: "let Python find the weights that read the held-out text best" });
  const recipes = button("Recipe", { "aria-expanded": "false", title: "this mix as a text to keep, send or restore" });
  const badge = make("span", { class: "pl-badge" }, make("span", { class: "pl-badge-sign" }), make("span", { class: "pl-badge-word" }));
  const element = make("div", { class: "pl-toolbar", role: "toolbar", "aria-label": "Mix" },
    choice, make("span", { class: "pl-pair" }, undo, redo), fit, recipes, make("span", { class: "pl-space" }), badge);
  /** @type {unknown} */
  let presets = null;
  let fitting = false;

  life.listen(choice, "change", () => {
    const preset = desk.model.get("presets")?.[Number(choice.value)];
    const none = desk.layers.map(() => false);
    if (preset) desk.commit({ weights: preset.weights.map(Number), muted: none, soloed: none }, `preset ${preset.name}`, true);
  });
  life.listen(undo, "click", () => desk.move(-1));
  life.listen(redo, "click", () => desk.move(1));
  life.listen(recipes, "click", panel.toggle);
  life.listen(fit, "click", () => {
    fitting = true;
    desk.ask("fit", {}, (answer) => { fitting = false; desk.failure = answer.error ?? ""; if (!answer.error) desk.news = "fitted"; });
    desk.redraw();
  });

  const draw = (/** @type {Picture} */ { step, exact, desk: { model } }) => {
    const list = /** @type {{name: string, weights: number[]}[]} */ (model.get("presets") ?? []);
    if (list !== presets) {
      presets = list;
      choice.replaceChildren(make("option", { value: "-1", disabled: true, hidden: true }, "Preset"), ...list.map((preset, i) => make("option", { value: i }, preset.name)));
    }
    attribute(choice, "hidden", list.length === 0);
    const plain = !step.muted.some(Boolean) && !step.soloed.some(Boolean);
    const value = String(plain ? list.findIndex((preset) => sameNumbers(preset.weights, step.weights)) : -1);
    if (choice.value !== value && !desk.dragging) choice.value = value;
    switchOff(undo, !desk.canUndo);
    switchOff(redo, !desk.canRedo);
    attribute(fit, "hidden", desk.offline || !desk.score?.positions);
    switchOff(fit, fitting);
    write(fit, fitting ? "Fitting…" : "Fit");
    attribute(recipes, "aria-expanded", String(panel.isOpen()));
    attribute(badge, "data-exact", exact);
    write(badge.children[0], exact ? "=" : "≈");
    write(badge.children[1], exact ? "exact" : "approximate");
    attribute(badge, "title", exact ? "these figures are exact" : "the page's own figures, until Python's exact ones arrive");
  };
  return { element, draw };
}

/** @param {boolean} forward */
function arrow(forward) {
  const path = makeSvg("path", { d: "M6.5 3 3 6.5 6.5 10M3.5 6.5H9.5a3.5 3.5 0 0 1 0 7H7", fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" });
  return makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", ...(forward ? { class: "pl-mirror" } : {}) }, path);
}
