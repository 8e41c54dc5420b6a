// @ts-check
/**
 * Writing, seen: the text as it grows, what else could have come, other ways it could have gone, and how to make it again.
 *
 * `render` puts the parts together, draws them once a frame at most, and returns the clean-up. Each part is a function
 * that makes its elements and returns `{element, draw}`.
 */
import { attribute, button, make, numberField, switchOff, write } from "../base/dom.js";
import { saving } from "../base/save.js";
import { Stage } from "../base/stage.js";
import { alternatives } from "./alternatives.js";
import { branches } from "./branches.js";
import { stepRows, Texts, wordsOf } from "./texts.js";
import { writing } from "./writing.js";

const TRAITS = ["prompt", "leaves", "leaf", "other", "step", "voices", "mixes", "sampling", "recipes"];

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "generation", "Generation");
  const { life, root, redraw, questions } = stage;
  const texts = new Texts(model, questions, redraw);
  const headPart = controls(texts, life);
  const recipePart = recipePanel(texts, life);
  const parts = [headPart, writing(texts, life), alternatives(texts, life), branches(texts, life), recipePart];
  const speech = make("div", { class: "pl-hidden", role: "status", "aria-live": "polite" });
  const vacant = make("p", { class: "pl-muted pl-nothing" }, "Nothing written yet.");
  root.append(headPart.element, stage.banner, vacant, ...parts.slice(1).map((part) => part.element), speech);
  recipePart.element.firstElementChild?.append(saving(life, root, { name: "generation", rows: () => stepRows(texts.leaf) }));
  let wrote = false;

  const draw = () => {
    for (const part of parts) part.draw();
    vacant.hidden = texts.leaves.length > 0;
    stage.tell(texts.failure);
    if (wrote && !texts.writing && texts.leaf) write(speech, `${texts.leaf.steps.length} tokens: ${wordsOf(texts.leaf.steps)}`);
    wrote = texts.writing;
  };
  const close = stage.open(el, TRAITS, draw);
  return () => { texts.stop(); close(); };
}

/** The prompt, the settings and the one button that writes and stops. @param {Texts} texts @param {import("../base/dom.js").Lifetime} life */
function controls(texts, life) {
  const prompt = /** @type {HTMLInputElement} */ (make("input", { type: "text", class: "pl-text-field", "aria-label": "Prompt", spellcheck: "false", autocomplete: "off" }));
  const go = button("Write", { class: "pl-button pl-main" });
  const set = (/** @type {string} */ name) => (/** @type {number} */ value) => texts.set({ sampling: { ...texts.sampling, [name]: value } });
  const fields = {
    temperature: numberField(life, { label: "temperature", least: 0, most: 5, step: 0.05, digits: 2, report: set("temperature") }),
    top_p: numberField(life, { label: "top-p", least: 0.05, most: 1, step: 0.05, digits: 2, report: set("top_p") }),
    seed: numberField(life, { label: "seed", least: 0, most: 2 ** 31 - 1, step: 1, digits: 0, report: set("seed") }),
    max_tokens: numberField(life, { label: "tokens", least: 1, most: 2000, step: 10, digits: 0, report: set("max_tokens") }),
  };
  const labels = { temperature: "temperature", top_p: "top-p", seed: "seed", max_tokens: "tokens" };
  const settings = Object.entries(fields).map(([name, one]) => make("label", { class: "pl-field" }, labels[/** @type {keyof typeof labels} */ (name)], one.element));
  const element = make("div", { class: "pl-controls" }, make("div", { class: "pl-bar" }, prompt, go), make("div", { class: "pl-bar pl-settings" }, ...settings));
  life.listen(prompt, "change", () => texts.set({ prompt: prompt.value }));
  life.listen(prompt, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || texts.writing) return;
    if (prompt.value !== texts.model.get("prompt")) texts.set({ prompt: prompt.value });
    texts.write("write");
  });
  life.listen(go, "click", () => { if (texts.writing) texts.stop(); else texts.write("write"); });
  let written = "";

  const draw = () => {
    element.hidden = texts.offline;
    const now = texts.model.get("prompt") ?? "";
    if (now !== written) { written = now; prompt.value = now; }
    write(go, texts.writing ? "Stop" : "Write");
    for (const [name, one] of Object.entries(fields)) one.show(texts.sampling[name] ?? 1);
  };
  return { element, draw };
}

/** How the shown text was made, to be copied. @param {Texts} texts @param {import("../base/dom.js").Lifetime} life */
function recipePanel(texts, life) {
  const toggle = button("Recipe", { class: "pl-button pl-small", "aria-pressed": "false" });
  const copy = button("Copy", { class: "pl-button pl-small" });
  const told = make("pre", { class: "pl-recipe-text", tabindex: 0, "aria-label": "Recipe" });
  const element = make("section", { class: "pl-recipe-part", "aria-label": "Recipe" }, make("div", { class: "pl-bar" }, toggle, copy), told);
  let open = false;
  let of = -1;
  life.listen(toggle, "click", () => { open = !open; of = -1; texts.redraw(); });
  life.listen(copy, "click", () => { navigator.clipboard?.writeText(told.textContent ?? "").then(() => write(copy, "Copied"), () => write(copy, "Select and copy")); });

  const draw = () => {
    element.hidden = !texts.leaf;
    attribute(toggle, "aria-pressed", String(open));
    told.hidden = copy.hidden = !open;
    switchOff(toggle, texts.writing);
    if (!open || texts.writing || of === texts.at) return;
    of = texts.at;
    write(copy, "Copy");
    const show = (/** @type {unknown} */ recipe) => write(told, JSON.stringify(recipe, null, 1));
    if (texts.offline) show(texts.model.get("recipes")?.[of]);
    else texts.questions.ask("recipe", { leaf: of }, (answer) => (answer.error ? write(told, answer.error) : show(answer.recipe)));
  };
  return { element, draw };
}

export default { render };
