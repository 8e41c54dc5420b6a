// @ts-check
/**
 * The next word: ten rows of stacked bars, and an eleventh for the word that really follows where it is further down.
 *
 * The rows are made once and stay where they are; a picture changes only texts, lengths and attributes. A bar's length
 * is p on a scale that ends at a round figure and, under a moving hand, only grows; the hollow share at another
 * temperature may run off it, and then stays open at its end. A click asks for a word's receipt.
 */
import { attribute, make, probability, roundEnd, shownToken, spokenToken, style, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";
import { ROWS } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./picture.js").Row} Row */

const THIN = 0.006; // of the scale: what is shorter would be an edge without a fill

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life @param {(row: Row, byKey: boolean) => void} open */
export function bars(desk, life, open) {
  const classes = layerClasses(desk.layers);
  const rows = Array.from({ length: ROWS + 1 }, () => barRow(classes));
  /** @type {(Row | null)[]} */
  let drawn = [];
  rows.forEach((row, i) => life.listen(row.element, "click", (/** @type {MouseEvent} */ event) => { const one = drawn[i]; if (one && one.token >= 0) open(one, event.detail === 0); }));
  const legend = make("span", { class: "pl-legend" });
  const heat = make("span", { class: "pl-legend" });
  const note = make("p", { class: "pl-note" });
  const list = make("ol", { class: "pl-rows", "aria-label": "Next word: a button shows a word's receipt" }, ...rows.map((row) => make("li", {}, row.element)));
  const element = make("div", { class: "pl-bars" },
    make("div", { class: "pl-bars-head" }, make("span", { class: "pl-title" }, "next word"),
      make("span", { class: "pl-legends" }, legend, heat)),
    list, note);
  legend.append(make("i", { class: "pl-tick-sample" }), "pinned mix");
  heat.append(make("i", { class: "pl-hollow-sample" }), make("span"));
  let end = roundEnd(0);

  const draw = (/** @type {Picture} */ { bars: picture, silent, temperature }) => {
    const shown = silent ? null : picture;
    drawn = Array.from({ length: ROWS }, (_, i) => shown?.rows[i] ?? null);
    drawn.push(shown?.eleventh ?? null);
    const most = Math.max(0, ...drawn.map((row) => (row ? Math.max(row.p || 0, row.pinned || 0) : 0)));
    const fitting = roundEnd(most);
    end = desk.dragging ? Math.max(end, fitting) : fitting;
    rows.forEach((row, i) => row.draw(drawn[i], end));
    write(/** @type {Element} */ (heat.lastChild), `at temperature ${temperature}`);
    attribute(heat, "hidden", temperature === 1 || !shown);
    attribute(legend, "hidden", !shown);
    attribute(element, "data-empty", !shown);
    write(note, silent ? "Nobody is speaking. Raise a fader, or unmute a layer." : "");
  };
  return { element, draw, rowOf: (/** @type {number} */ token) => rows[Math.max(0, drawn.findIndex((row) => row?.token === token))].element };
}

/** @param {string[]} classes */
function barRow(classes) {
  const word = make("span", { class: "pl-word" });
  const parts = classes.map((look, k) => make("span", { class: `pl-part ${look}`, "data-layer": k }));
  const hollow = make("span", { class: "pl-hollow" });
  const tick = make("span", { class: "pl-tick" });
  const rank = make("span", { class: "pl-rank" });
  const number = make("span", { class: "pl-p" });
  const told = make("span", { class: "pl-hidden" }); // the name that is spoken; the rest is for the eye
  const seen = [make("span", { class: "pl-mark" }), word, make("span", { class: "pl-stack" }, hollow, ...parts, tick, rank), number];
  for (const node of seen) attribute(node, "aria-hidden", "true");
  const element = make("button", { type: "button", class: "pl-row" }, told, ...seen);
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(3)}%`;

  const draw = (/** @type {Row | null} */ row, /** @type {number} */ end) => {
    attribute(element, "data-blank", !row);
    attribute(element, "disabled", !row || row.token < 0);
    if (!row) return;
    write(word, shownToken(row.piece));
    write(number, Number.isNaN(row.p) ? "" : probability(row.p));
    attribute(element, "data-actual", row.actual);
    const rankText = row.rank ? `, ${row.rank}` : "";
    write(told, `${spokenToken(row.piece)}, ${Number.isNaN(row.p) ? "not listed" : probability(row.p)}${row.actual ? ", the actual next word" : ""}${rankText}`);
    let at = 0;
    parts.forEach((part, k) => {
      const length = (row.parts[k] ?? 0) / end;
      style(part, "left", percent(at));
      style(part, "width", `calc(${percent(length)} - 1px)`);
      attribute(part, "hidden", length < THIN);
      at += length;
    });
    style(rank, "left", percent(Math.min(at, 0.7)));
    write(rank, row.rank);
    style(tick, "left", percent(Math.min(1, (row.pinned || 0) / end)));
    attribute(tick, "hidden", Number.isNaN(row.pinned));
    attribute(hollow, "hidden", row.tempered === null);
    attribute(hollow, "data-inside", (row.tempered ?? 0) < row.p);
    attribute(hollow, "data-beyond", (row.tempered ?? 0) > end);
    style(hollow, "width", percent(Math.min(1, (row.tempered ?? 0) / end)));
  };
  return { element, draw };
}

/** The same figures as a table, for those who do not see bars; it is written when the hand rests. @param {import("./desk.js").Desk} desk */
export function barTable(desk) {
  const caption = make("caption");
  const cells = Array.from({ length: ROWS + 1 }, () => [make("th", { scope: "row" }), make("td"), ...desk.layers.map(() => make("td"))]);
  const lines = cells.map((row) => make("tr", {}, ...row));
  const head = ["word", "probability", ...desk.layers.map((layer) => `from ${layer.name}`)].map((text) => make("th", { scope: "col" }, text));
  const element = make("div", { class: "pl-hidden" }, make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines)));
  const draw = (/** @type {Picture} */ { bars: picture, silent, desk: { dragging } }) => {
    if (dragging) return;
    const rows = silent || !picture ? [] : [...picture.rows, ...(picture.eleventh ? [picture.eleventh] : [])];
    write(caption, rows.length ? "Next word, with the part of each layer" : "No next word");
    lines.forEach((line, i) => {
      attribute(line, "hidden", !rows[i]);
      if (rows[i]) [spokenToken(rows[i].piece), ...[rows[i].p, ...rows[i].parts].map((p) => (Number.isNaN(p) ? "" : p.toFixed(3)))].forEach((text, j) => write(cells[i][j], text));
    });
  };
  return { element, draw };
}
