// @ts-check
/**
 * The text, token by token: what the query under the hand takes from each of them, as a shade; and the same in words.
 *
 * Every token is a button: pointing at one makes it the query everywhere in the view, a click pins it. Arrows walk. The
 * line below says in words what is shaded, and is what a screen reader hears.
 */
import { attribute, make, shownToken, spokenToken, style, write } from "../base/dom.js";
import { keyName } from "./heads.js";
import { strongest } from "./look.js";

/** @typedef {import("./look.js").Look} Look */

const SAID = 3; // keys that the line names

/** @param {import("./heads.js").Heads} heads @param {import("./look.js").Eye} eye @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw @param {(query: number) => void} pin */
export function tokens(heads, eye, life, redraw, pin) {
  const list = make("ol", { class: "pl-tokens", "aria-label": "Tokens: a button makes one the query" });
  const said = make("p", { class: "pl-said", role: "status", "aria-live": "polite" });
  const element = make("section", { class: "pl-text-part", "aria-label": "Text" }, list, said);
  let listed = "";
  /** @type {HTMLElement[]} */
  let words = [];

  const at = (/** @type {Event} */ event) => words.indexOf(/** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".pl-token")));
  life.listen(list, "pointerover", (/** @type {PointerEvent} */ event) => { const query = at(event); if (query >= 0 && eye.point(query)) redraw(); });
  life.listen(list, "pointerleave", () => { if (eye.point(-1)) redraw(); });
  life.listen(list, "focusin", (/** @type {FocusEvent} */ event) => { const query = at(event); if (query >= 0 && eye.point(query)) redraw(); });
  life.listen(list, "focusout", () => { if (eye.point(-1)) redraw(); });
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => { const query = at(event); if (query >= 0) pin(heads.token === query ? -1 : query); });
  life.listen(list, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const query = at(event);
    const to = { ArrowLeft: query - 1, ArrowRight: query + 1, Home: 0, End: words.length - 1 }[event.key];
    if (query < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    walk(words[to]);
  });
  const walk = (/** @type {HTMLElement | undefined} */ word) => {
    if (!word) return;
    for (const other of words) attribute(other, "tabindex", other === word ? 0 : -1);
    word.focus();
  };

  const draw = (/** @type {Look} */ look) => {
    const now = JSON.stringify(look.queries);
    if (now !== listed) {
      listed = now;
      words = look.queries.map((piece, n) => make("button", { type: "button", class: "pl-token", tabindex: n ? -1 : 0, "aria-label": `${n}: ${spokenToken(piece)}` }, shownToken(piece)));
      list.replaceChildren(...words.map((word) => make("li", {}, word)));
    }
    const shaded = look.token >= 0 && heads.reading.itself;
    words.forEach((word, n) => {
      attribute(word, "data-on", n === look.token);
      attribute(word, "aria-pressed", String(n === heads.token));
      style(word, "--pl-share", shaded ? Math.min(1, Math.sqrt(Math.abs(look.share(look.token, n)))).toFixed(3) : "0");
    });
    write(said, sentence(look, keyName(heads.chosen, heads.silenced)));
  };
  return { element, draw };
}

/** What the query takes from where. @param {Look} look @param {string} name */
function sentence(look, name) {
  if (look.token < 0) return `${name}${look.difference ? ": the difference of the two readings" : ""}. Point at a token to see what it looks at; click to keep it.`;
  const query = `“${spokenToken(look.queries[look.token])}”`;
  if (look.key >= 0) return `${name}: ${query} takes ${percent(look.share(look.token, look.key), look.difference)} from “${spokenToken(look.keys[look.key])}”`;
  const found = strongest(look, look.token, SAID).filter((one) => Math.abs(one.share) >= 0.005);
  const parts = found.map(({ key, share }) => `${percent(share, look.difference)} from “${spokenToken(look.keys[key])}”`);
  return `${name}: ${query} takes ${parts.join(", ") || "next to nothing"}`;
}

/** @param {number} share @param {boolean} signed */
export function percent(share, signed) {
  const text = Math.abs(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0);
  return `${signed ? (share < 0 ? "\u2212" : "+") : ""}${text}\u202f%`;
}
