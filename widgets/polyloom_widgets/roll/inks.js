// @ts-check
/**
 * The colours of the theme for a canvas: elements that nobody sees carry them, the browser says what they come to.
 */
import { attribute, make, style } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";
import { lettersFor } from "./words.js";

const THEMED = ["text", "muted", "line", "track", "surface", "ghost", "focus"];
const HOSTS = { attributes: true, attributeFilter: ["class", "theme", "data-jp-theme-light", "data-jp-theme-name"] };

/** @param {import("./music.js").Music} music @param {import("../base/dom.js").Lifetime} life @param {() => void} changed when the theme is another */
export function inkwell(music, life, changed) {
  const themed = THEMED.map((name) => { const one = make("i"); style(one, "color", `var(--pl-${name})`); return one; });
  const kinds = make("span");
  const element = make("div", { class: "pl-inks", "aria-hidden": "true" }, ...themed, kinds);
  let named = "";
  /** @type {string[]} */
  let letters = [];

  life.listen(matchMedia("(prefers-color-scheme: dark)"), "change", changed);
  life.listen(matchMedia("(forced-colors: active)"), "change", changed);
  const observer = new MutationObserver(changed);
  for (const host of [document.documentElement, document.body]) observer.observe(host, HOSTS);
  life.ends.add(() => observer.disconnect());

  /** Classes and letters of the names. */
  const known = () => {
    const now = JSON.stringify(music.names);
    if (now === named) return;
    named = now;
    letters = lettersFor(music.names);
    const classes = namedClasses(music.names);
    kinds.replaceChildren(...classes.map((name) => make("i", { class: name })));
  };

  /** @returns {import("./paint.js").Inks} */
  const read = () => {
    known();
    const [text, muted, line, track, surface, ghost, focus] = themed.map((one) => getComputedStyle(one).color);
    const found = [...kinds.children].map((one, k) => {
      const look = getComputedStyle(one);
      return { fill: look.color, edge: look.borderTopColor, hatched: one.classList.contains("pl-hatched"), letter: letters[k] };
    });
    return { text, muted, line, track, surface, ghost, focus, kinds: found };
  };
  return { element, read };
}

/** @param {string[]} names */
export function namedClasses(names) {
  return layerClasses(names.map((name) => ({ base: name === "base" })));
}

/** A letter in its colour. @param {string} letter @param {string} name of its class */
export function chip(letter, name) {
  const found = make("span", { class: `pl-chip ${name}`, "aria-hidden": "true" }, letter);
  attribute(found, "data-dark", /pl-layer-0\b/.test(name));
  return found;
}
