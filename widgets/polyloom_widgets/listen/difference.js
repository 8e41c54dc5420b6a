// @ts-check
/**
 * What differs, as a roll: notes of both pieces grey, those of the first alone filled, those of the second alone hollow.
 * Places across, pitch upwards; a click goes to a place. While somebody listens blind there is nothing to be seen.
 */
import { attribute, make, makeSvg, style, write } from "../base/dom.js";
import { difference } from "./places.js";

/** @typedef {{notes: import("../base/sound.js").Heard[][], bars: number[][], names: string[]}} Two */

const ROOM = 3; // pitches above and below
const RULED = 40; // bars at most that have a line each
const THIN = 0.02; // of a bar between two notes of one pitch

/** @param {import("../base/dom.js").Lifetime} life @param {(place: number) => void} go */
export function picture(life, go) {
  const rules = makeSvg("path", { class: "pl-rules" });
  const both = makeSvg("path", { class: "pl-both" });
  const alone = [0, 1].map((side) => makeSvg("path", { class: `pl-alone pl-layer pl-layer-${side}`, "data-side": side }));
  const svg = makeSvg("svg", { class: "pl-both-rolls", preserveAspectRatio: "none", "aria-hidden": "true" }, rules, both, ...alone);
  const head = make("i", { class: "pl-head" });
  const blind = make("p", { class: "pl-muted pl-unseen" }, "Hidden while you listen blind.");
  const field = make("div", { class: "pl-field" }, svg, head, blind);
  const legend = [make("span", { class: "pl-key", "data-of": "both" }), ...[0, 1].map((side) => make("span", { class: `pl-key pl-layer pl-layer-${side}`, "data-of": side }))];
  const element = make("div", { class: "pl-difference" }, field, make("p", { class: "pl-legend", role: "status" }, ...legend));
  /** @type {{notes: unknown, both: number, alone: number[]}} */
  let drawn = { notes: null, both: 0, alone: [0, 0] };
  let length = 1;
  life.listen(field, "click", (/** @type {MouseEvent} */ event) => {
    const box = field.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * length);
  });

  const show = (/** @type {Two | null} */ two) => {
    attribute(element, "data-blind", !two);
    attribute(blind, "hidden", Boolean(two));
    attribute(svg, "hidden", !two);
    if (!two) { legend.forEach((one) => write(one, "")); return; }
    if (two.notes !== drawn.notes) paint(two);
    [`${drawn.both} notes in both`, ...two.names.map((name, side) => `${drawn.alone[side]} in ${name} alone`)].forEach((text, n) => write(legend[n], text));
  };
  const paint = (/** @type {Two} */ two) => {
    const found = difference(two.notes, two.bars);
    drawn = { notes: two.notes, both: found.both.length, alone: found.alone.map((one) => one.length) };
    length = Math.max(...two.bars.map((one) => one.length - 1));
    let [low, high] = [127, 0];
    for (const { pitch } of two.notes.flat()) [low, high] = [Math.min(low, pitch), Math.max(high, pitch)];
    [low, high] = [low - ROOM, high + ROOM];
    attribute(svg, "viewBox", `0 0 ${length} ${high - low}`);
    const boxes = (/** @type {import("./places.js").Block[]} */ blocks) => blocks.map(({ from, to, pitch }) => `M${from.toFixed(4)} ${high - pitch - 0.5}h${Math.max(THIN, to - from - THIN).toFixed(4)}v1H${from.toFixed(4)}z`).join("");
    attribute(both, "d", boxes(found.both));
    alone.forEach((path, side) => attribute(path, "d", boxes(found.alone[side])));
    const every = Math.ceil(length / RULED);
    attribute(rules, "d", Array.from({ length: Math.ceil(length / every) }, (_, n) => `M${n * every} 0v${high - low}`).join(""));
  };
  return { element, show, at: (/** @type {number} */ place) => style(head, "left", `${Math.min(100, (100 * place) / length).toFixed(3)}%`) };
}
