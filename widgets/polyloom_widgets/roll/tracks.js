// @ts-check
/**
 * The parts, each with a button that mutes it and one that lets it sound alone; and the legend of the voices.
 */
import { attribute, button, make } from "../base/dom.js";
import { chip, namedClasses } from "./inks.js";
import { lettersFor } from "./words.js";

/** @typedef {import("./music.js").Music} Music */

/** @param {Music} music @param {import("../base/dom.js").Lifetime} life */
export function tracks(music, life) {
  const list = make("ol", { class: "pl-parts", "aria-label": "Parts" });
  const legend = make("p", { class: "pl-roll-legend" });
  const element = make("div", { class: "pl-tracks" }, list, legend);
  let listed = "";
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => {
    const one = /** @type {Element} */ (event.target).closest("[data-trait]");
    const trait = one?.getAttribute("data-trait");
    if (trait !== "muted" && trait !== "soloed") return;
    const part = Number(one?.getAttribute("data-part"));
    music.set({ [trait]: music[trait].includes(part) ? music[trait].filter((other) => other !== part) : [...music[trait], part] });
  });

  const draw = () => {
    const { step, hand } = music.notes;
    const now = JSON.stringify([music.parts, music.voices, step.some((one) => one < 0), hand.some((one) => one > 0)]);
    if (now !== listed) {
      listed = now;
      const [letters, classes] = [lettersFor(music.names), namedClasses(music.names)];
      const coloured = music.voices.length === 0;
      list.replaceChildren(...music.parts.map((name, part) => strip(name, part, coloured ? chip(letters[part], classes[part]) : "")));
      legend.replaceChildren(...(coloured ? [] : [...music.voices.map((name, n) => make("span", { class: "pl-voice" }, chip(letters[n], classes[n]), name)), ...unvoiced(music)]));
    }
    attribute(list, "hidden", music.parts.length < 2);
    attribute(legend, "hidden", music.voices.length === 0);
    for (const one of list.querySelectorAll("[data-trait]")) {
      const trait = /** @type {"muted" | "soloed"} */ (one.getAttribute("data-trait"));
      attribute(one, "aria-pressed", String(music[trait].includes(Number(one.getAttribute("data-part")))));
    }
  };
  return { element, draw };
}

/** What notes are called that no layer chose, where there are some. @param {Music} music */
function unvoiced({ notes: { step, hand } }) {
  const one = (/** @type {string} */ kind, /** @type {string} */ letter, /** @type {string} */ name) => make("span", { class: "pl-voice" }, make("span", { class: `pl-chip pl-chip-${kind}`, "aria-hidden": "true" }, letter), name);
  return [...(step.some((said) => said < 0) ? [one("given", "", "given")] : []), ...(hand.some((put) => put > 0) ? [one("hand", "✎", "by hand")] : [])];
}

/** @param {string} name @param {number} part @param {Node | string} mark */
function strip(name, part, mark) {
  const toggle = (/** @type {string} */ label, /** @type {string} */ trait, /** @type {string} */ does) => button(`${does} part ${part + 1}, ${name}`, { class: "pl-button pl-small pl-sign", "data-trait": trait, "data-part": part }, label);
  return make("li", {}, mark, make("span", { class: "pl-part-name" }, name), toggle("M", "muted", "Mute"), toggle("S", "soloed", "Solo"));
}
