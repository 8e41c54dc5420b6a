// @ts-check
/**
 * A text as a strip of buttons, one a token: what a hand or the focus points at is told, and so is what is pressed.
 *
 * One button at a time is in the order of the tab key; arrows, Home and End walk. What each button says, and how it looks,
 * is its user's affair.
 */
import { attribute, make } from "./dom.js";

/** @typedef {{label: string, point: (at: number) => void, press: (at: number) => void, inside: (piece: string) => (Node | string)[]}} Plan */

/** @param {import("./dom.js").Lifetime} life @param {Plan} plan `point` gets -1 when nothing is pointed at any more */
export function strip(life, { label, point, press, inside }) {
  const element = make("ol", { class: "pl-tokens", "aria-label": label });
  /** @type {HTMLElement[]} */
  let words = [];
  let listed = "";

  const at = (/** @type {Event} */ event) => words.indexOf(/** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".pl-token")));
  for (const type of ["pointerover", "focusin"]) life.listen(element, type, (event) => { if (at(event) >= 0) point(at(event)); });
  for (const type of ["pointerleave", "focusout"]) life.listen(element, type, () => point(-1));
  life.listen(element, "click", (event) => { if (at(event) >= 0) press(at(event)); });
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const here = at(event);
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: words.length - 1 }[event.key];
    if (here < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!words[to]) return;
    for (const other of words) attribute(other, "tabindex", other === words[to] ? 0 : -1);
    words[to].focus();
  });

  /** The buttons of so many pieces, made anew where they are others. @param {string[]} pieces @returns {HTMLElement[]} */
  const show = (pieces) => {
    const now = JSON.stringify(pieces);
    if (now !== listed) {
      listed = now;
      words = pieces.map((piece, n) => make("button", { type: "button", class: "pl-token", tabindex: n ? -1 : 0 }, ...inside(piece)));
      element.replaceChildren(...words.map((word) => make("li", {}, word)));
    }
    return words;
  };
  return { element, show };
}
