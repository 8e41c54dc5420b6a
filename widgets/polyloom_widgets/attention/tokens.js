// @ts-check
/**
 * The text, token by token: what the query under the hand takes from each of them, as a shade; and the same in words.
 *
 * Every token is a button: pointing at one makes it the query everywhere in the view, a click pins it. Arrows walk. The
 * line below says in words what is shaded, and is what a screen reader hears.
 */
import { attribute, make, shownToken, spokenToken, style, write } from "../base/dom.js";
import { strip } from "../base/strip.js";
import { keyName } from "./heads.js";
import { strongest } from "./look.js";

/** @typedef {import("./look.js").Look} Look */

const SAID = 3; // keys that the line names

/** @param {import("./heads.js").Heads} heads @param {import("./look.js").Eye} eye @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw @param {(query: number) => void} pin */
export function tokens(heads, eye, life, redraw, pin) {
  const words = strip(life, {
    label: "Tokens: a button makes one the query", press: pin, inside: (piece) => [shownToken(piece)],
    point: (query) => { if (eye.point(query)) redraw(); },
  });
  const said = make("p", { class: "pl-said", role: "status", "aria-live": "polite" });
  const element = make("section", { class: "pl-text-part", "aria-label": "Text" }, words.element, said);

  const draw = (/** @type {Look} */ look) => {
    const shaded = look.token >= 0 && heads.reading.itself;
    words.show(look.queries).forEach((word, n) => {
      attribute(word, "aria-label", `${n}: ${spokenToken(look.queries[n])}`);
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
  if (look.key >= 0) return `${name}: ${query} ${look.difference ? "differs:" : "takes"} ${percent(look.share(look.token, look.key), look.difference)} from “${spokenToken(look.keys[look.key])}”`;
  const found = strongest(look, look.token, SAID).filter((one) => Math.abs(one.share) >= 0.005);
  const parts = found.map(({ key, share }) => `${percent(share, look.difference)} from “${spokenToken(look.keys[key])}”`);
  if (look.difference) return `${name}: ${query} ${parts.length ? `differs: ${parts.join(", ")}` : "looks the same in both"}`;
  return `${name}: ${query} takes ${parts.join(", ") || "next to nothing"}`;
}

/** @param {number} share @param {boolean} signed */
export function percent(share, signed) {
  const text = Math.abs(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0);
  return `${signed ? (share < 0 ? "\u2212" : "+") : ""}${text}\u202f%`;
}
