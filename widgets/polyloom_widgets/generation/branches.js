// @ts-check
/**
 * The tree of texts: a line for each, beginning where it left the one it was forked from; and two of them side by side.
 *
 * The lines are buttons in a list, so that the tree can be walked by keyboard; the drawing above each is its place in the
 * tree. A second button chooses the text that the shown one is compared with.
 */
import { attribute, button, make, style, write } from "../base/dom.js";
import { leafName, parting, wordsOf } from "./texts.js";

/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {import("./texts.js").Leaf} Leaf */

const SAMPLE = 60; // characters of a text

/** @param {Texts} texts @param {import("../base/dom.js").Lifetime} life */
export function branches(texts, life) {
  const list = make("ol", { class: "pl-branches", "aria-label": "Texts" });
  const diff = make("div", { class: "pl-diff", role: "region", "aria-label": "Difference" });
  const element = make("section", { class: "pl-branches-part", "aria-label": "Tree" }, make("p", { class: "pl-title" }, "texts"), list, diff);
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const shown = target.closest("[data-leaf]")?.getAttribute("data-leaf");
    const other = target.closest("[data-other]")?.getAttribute("data-other");
    if (other) texts.set({ other: texts.otherAt === Number(other) ? -1 : Number(other) });
    else if (shown) texts.set({ leaf: Number(shown), step: Math.min(texts.step, texts.leaves[Number(shown)].steps.length) });
  });

  const draw = () => {
    const { leaves } = texts;
    element.hidden = leaves.length < 2;
    if (leaves.length < 2) { list.replaceChildren(); return; }
    const longest = Math.max(1, ...leaves.map((leaf) => leaf.steps.length));
    const focused = list.contains(document.activeElement) ? [document.activeElement?.getAttribute("data-leaf"), document.activeElement?.getAttribute("data-other")] : null;
    list.replaceChildren(...leaves.map((leaf, n) => branch(texts, leaf, n, longest)));
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(focused[0] ? `[data-leaf="${focused[0]}"]` : `[data-other="${focused[1]}"]`))?.focus();
    diff.replaceChildren(...difference(texts));
  };
  return { element, draw };
}

/** @param {Texts} texts @param {Leaf} leaf @param {number} n @param {number} longest */
function branch(texts, leaf, n, longest) {
  const line = make("span", { class: "pl-branch-line" }, make("i"));
  const start = leaf.parent === null ? 0 : leaf.at;
  style(/** @type {HTMLElement} */ (line.firstChild), "left", `${(100 * start) / longest}%`);
  style(/** @type {HTMLElement} */ (line.firstChild), "width", `${Math.max(1, (100 * (leaf.steps.length - start)) / longest)}%`);
  attribute(line, "data-forked", leaf.parent !== null);
  const name = leafName(n, leaf, texts.mixes.length > 1);
  const sample = wordsOf(leaf.steps.slice(start)).trim();
  const shown = make("button", { type: "button", class: "pl-branch", "data-leaf": n, "aria-pressed": String(n === texts.at), "aria-label": `text ${name}: ${sample}` },
    line, make("span", { class: "pl-branch-name" }, name), make("span", { class: "pl-branch-sample" }, sample.length > SAMPLE ? `${sample.slice(0, SAMPLE - 1)}…` : sample));
  const compare = button("compare", { class: "pl-button pl-small", "data-other": n, "aria-pressed": String(n === texts.otherAt), "aria-label": `compare with text ${n + 1}` }, "compare");
  attribute(compare, "hidden", n === texts.at);
  return make("li", {}, shown, compare);
}

/** Where two texts part and how each goes on. @param {Texts} texts @returns {HTMLElement[]} */
function difference(texts) {
  const [leaf, other] = [texts.leaf, texts.other];
  if (!leaf || !other) return [];
  const at = parting(leaf, other);
  if (at === leaf.steps.length && at === other.steps.length) return [make("p", { class: "pl-muted" }, `Texts ${texts.at + 1} and ${texts.otherAt + 1} are the same.`)];
  const rest = (/** @type {Leaf} */ one) => wordsOf(one.steps.slice(at)) || "ends here";
  const side = (/** @type {number} */ n, /** @type {Leaf} */ one) => make("p", { class: "pl-diff-side" }, make("b", {}, `${n + 1} `), make("span", {}, rest(one)));
  const head = make("p", { class: "pl-muted" });
  write(head, `The same for ${at} step${at === 1 ? "" : "s"}, then:`);
  return [head, side(texts.at, leaf), side(texts.otherAt, other)];
}
