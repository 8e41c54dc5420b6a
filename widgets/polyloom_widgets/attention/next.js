// @ts-check
/**
 * What follows from the heads: the next token with all of them, and without those that were silenced.
 *
 * A bar is the probability now, a tick the one with every head; the headline says what the silence costs on the text.
 */
import { attribute, button, make, probability, roundEnd, shownToken, spokenToken, style, write } from "../base/dom.js";
import { keyName } from "./heads.js";

/** @typedef {import("./heads.js").Heads} Heads */
/** @typedef {{token: number, piece: string, before: number, after: number}} Said */

/** @param {Heads} heads @param {import("../base/dom.js").Lifetime} life */
export function next(heads, life) {
  const silence = button("Silence this head", { class: "pl-button pl-small" });
  const all = button("Hear all", { class: "pl-button pl-small" });
  const headline = make("p", { class: "pl-cost", role: "status" });
  const list = make("ol", { class: "pl-next-rows", "aria-label": "Next token" });
  const element = make("section", { class: "pl-next", "aria-label": "Next token" },
    make("div", { class: "pl-part-head" }, make("span", { class: "pl-title" }, "next token"), make("span", { class: "pl-space" }), silence, all), headline, list);

  const isSilenced = () => heads.silenced.some(([layer, head]) => layer === heads.chosen[1] && head === heads.chosen[2]);
  life.listen(silence, "click", () => {
    const [, layer, head] = /** @type {[string, number, number]} */ (heads.chosen);
    const others = heads.silenced.filter((one) => one[0] !== layer || one[1] !== head);
    heads.set({ ablated: isSilenced() ? others : [...others, [layer, head]] });
  });
  life.listen(all, "click", () => { heads.set({ ablated: [] }); });

  const draw = () => {
    const effect = heads.model.get("effect");
    element.hidden = !effect?.rows;
    if (!effect?.rows) return;
    const asks = Boolean(heads.model.get("asks"));
    const quiet = heads.silenced.length > 0;
    attribute(silence, "hidden", !asks || heads.chosen[0] !== "head");
    write(silence, isSilenced() ? "Hear this head" : "Silence this head");
    attribute(all, "hidden", !asks || !quiet);
    write(headline, cost(effect, heads.silenced));
    const end = roundEnd(Math.max(...effect.rows.map((/** @type {Said} */ row) => Math.max(row.before, row.after))));
    list.replaceChildren(...effect.rows.map((/** @type {Said} */ row) => nextRow(row, quiet, end)));
  };
  return { element, draw };
}

/** A token with what it had before, where there is a difference. @param {Said} row @param {boolean} quiet @param {number} end of the scale */
export function nextRow(row, quiet, end) {
  const bar = make("i", { class: "pl-next-bar" });
  const tick = make("i", { class: "pl-next-tick", hidden: !quiet });
  style(bar, "width", `${(100 * row.after / end).toFixed(2)}%`);
  style(tick, "left", `${(100 * row.before / end).toFixed(2)}%`);
  const change = row.after - row.before;
  const figures = quiet ? `${probability(row.before)} → ${probability(row.after)}` : probability(row.after);
  return make("li", { class: "pl-next-row", "aria-label": `${spokenToken(row.piece)}: ${figures}`, "data-fell": quiet && change < 0 },
    make("span", { class: "pl-next-word" }, shownToken(row.piece)), make("span", { class: "pl-next-field" }, bar, tick), make("span", { class: "pl-next-figures" }, figures));
}

/** @param {{loss: number | null, change: number | null}} effect @param {[number, number][]} silenced */
function cost({ loss, change }, silenced) {
  if (loss === null) return "";
  const now = `loss ${(loss + (change ?? 0)).toFixed(3)} nats a token`;
  if (!silenced.length || change === null) return now;
  const without = silenced.length > 3 ? `${silenced.length} heads` : silenced.map(([layer, head]) => keyName(["head", layer, head])).join("; ");
  const sign = change < 0 ? "\u2212" : "+";
  return `${sign}${Math.abs(change).toFixed(3)} without ${without}: ${now}`;
}
