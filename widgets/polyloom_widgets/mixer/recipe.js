// @ts-check
/**
 * The recipe: how this mix was made, as a JSON text to copy, and a box that restores one. It holds the weights of all
 * layers and who is muted or soloed; a layer that it does not name keeps its weight. Python reads and writes the same.
 */
import { attribute, button, make, write } from "../base/dom.js";

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function recipe(desk, life) {
  const text = /** @type {HTMLTextAreaElement} */ (make("textarea", { class: "pl-code", readonly: true, rows: 9, "aria-label": "Recipe of this mix", spellcheck: "false" }));
  const copy = button("Copy");
  const paste = /** @type {HTMLTextAreaElement} */ (make("textarea", { class: "pl-code", rows: 9, "aria-label": "Recipe to restore", placeholder: "Paste a recipe here", spellcheck: "false" }));
  const restore = button("Restore");
  const message = make("p", { class: "pl-message", role: "status" });
  const close = button("Close the recipe", { class: "pl-button pl-close" }, "×");
  const element = make("section", { class: "pl-recipe", "aria-label": "Recipe", hidden: true }, close,
    make("div", { class: "pl-recipe-half" }, make("div", { class: "pl-recipe-head" }, make("span", { class: "pl-title" }, "this mix"), copy), text),
    make("div", { class: "pl-recipe-half" }, make("div", { class: "pl-recipe-head" }, make("span", { class: "pl-title" }, "another mix"), restore), paste),
    message);
  /** @type {HTMLElement | null} */
  let from = null;

  const show = (open = element.hidden) => {
    if (open === !element.hidden) return;
    element.hidden = !open;
    write(message, "");
    if (open) from = /** @type {HTMLElement | null} */ (element.ownerDocument.activeElement);
    desk.redraw();
    if (open) copy.focus();
    else from?.focus();
  };
  life.listen(close, "click", () => show(false));
  life.listen(copy, "click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
      write(message, "Copied.");
    } catch {
      text.focus();
      text.select();
      write(message, "This browser does not let the page copy: the text is marked, press Ctrl+C.");
    }
  });
  life.listen(restore, "click", () => {
    const outcome = restored(desk, paste.value);
    attribute(paste, "aria-invalid", outcome.good ? false : "true");
    write(message, outcome.text);
  });

  const draw = () => {
    if (element.hidden || desk.dragging) return;
    const now = JSON.stringify(recipeOf(desk), null, 2);
    if (text.value !== now) text.value = now;
  };
  return { element, draw, toggle: () => show(), isOpen: () => !element.hidden, leave: () => { if (element.hidden) return false; show(false); return true; } };
}

/** @param {import("./desk.js").Desk} desk */
function recipeOf(desk) {
  const step = desk.committed;
  const names = desk.layers.map((layer) => layer.name);
  return {
    ...desk.model.get("recipe"), weights: Object.fromEntries(names.map((name, k) => [name, step.weights[k]])),
    muted: names.filter((_, k) => step.muted[k]), soloed: names.filter((_, k) => step.soloed[k]), prompt: desk.model.get("prompt"), ...desk.sampling,
  };
}

/** Restore a recipe, or say why not. @param {import("./desk.js").Desk} desk @param {string} text @returns {{good: boolean, text: string}} */
function restored(desk, text) {
  const bad = (/** @type {string} */ why) => ({ good: false, text: why });
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    return bad("This is not JSON: paste the whole recipe, from { to }.");
  }
  if (given?.polyloom !== "recipe") return bad("This is JSON, but not a Polyloom recipe: it has no \"polyloom\": \"recipe\".");
  if (given.format !== 1) return bad(`This recipe has format ${given.format}; this desk reads format 1.`);
  const names = desk.layers.map((layer) => layer.name);
  const weights = given.weights ?? {};
  const models = given.models ?? {};
  const lists = [given.muted ?? [], given.soloed ?? []];
  if (typeof weights !== "object" || typeof models !== "object" || !lists.every(Array.isArray)) return bad("This recipe is damaged: weights and models must be objects, muted and soloed lists of names.");
  const strange = [...new Set([...Object.keys(models), ...Object.keys(weights), ...lists.flat()])].filter((name) => !names.includes(name));
  if (strange.length) return bad(`This recipe names ${strange.join(", ")}, which this desk does not have. Its layers are ${names.join(", ")}.`);
  const wrong = Object.entries(weights).find(([, weight]) => typeof weight !== "number" || !(weight >= 0 && weight < Infinity));
  if (wrong) return bad(`The weight of ${wrong[0]} must be a number of 0 or more, not ${JSON.stringify(wrong[1])}.`);
  const own = desk.model.get("recipe");
  const changed = Object.keys(models).find((name) => models[name] !== own.models?.[name]);
  if (changed) return bad(`This recipe was made with another ${changed}. Take "models" out of it to use the one on this desk.`);
  if (given.pool && given.pool !== own.pool) return bad(`This recipe is of a ${given.pool} pool; the mix on this desk is a ${own.pool} pool.`);

  const [muted, soloed] = lists.map((list) => names.map((name) => list.includes(name)));
  const old = desk.committed.weights;
  desk.commit({ weights: names.map((name, k) => weights[name] ?? old[k]), muted, soloed }, "recipe restored", true);
  const { temperature, seed } = desk.sampling;
  const sampling = { temperature: Number.isFinite(given.temperature) ? given.temperature : temperature, seed: Number.isInteger(given.seed) ? given.seed : seed };
  if (desk.offline) return { good: true, text: "The mix is restored. The text stays: a page without Python cannot read another one." };
  desk.set({ sampling, ...(typeof given.prompt === "string" ? { prompt: given.prompt, place: -1 } : {}) });
  return { good: true, text: "Restored." };
}
