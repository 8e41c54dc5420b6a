// @ts-check
/**
 * How the experts of each mixture share the work, as one coloured table: 1 is an even share. What reads less than a
 * tenth of it is marked as idle.
 */
import { attribute, make, style, write } from "../base/dom.js";

/** @typedef {import("./figures.js").Figures} Figures */

const FULL = 2; // even shares that are painted in the full colour
const IDLE = 0.1;
const WORDY = 16; // experts whose figures fit into their cells

export function experts() {
  const rows = make("tbody");
  const head = make("tr");
  const verdict = make("span");
  const table = make("table", { class: "pl-experts" }, make("caption", {}, "How much each expert reads: ", verdict), make("thead", {}, head), rows);
  const element = make("div", { class: "pl-experts-field" }, table);
  let shape = "";
  /** @type {HTMLElement[][]} */
  let cells = [];

  const build = (/** @type {number[][]} */ load) => {
    const count = load[0]?.length ?? 0;
    cells = load.map((shares) => shares.map(() => make("td", {}, make("span"))));
    head.replaceChildren(make("td"), ...Array.from({ length: count }, (_, expert) => make("th", { scope: "col", "aria-label": `expert ${expert}` }, String(expert))));
    rows.replaceChildren(...cells.map((row, mixture) => make("tr", {}, make("th", { scope: "row" }, `mixture ${mixture}`), ...row)));
    attribute(table, "data-many", count > WORDY);
  };
  const draw = (/** @type {Figures} */ { load }) => {
    attribute(element, "hidden", !load.length);
    const now = load.map((shares) => shares.length).join(" ");
    if (now !== shape) { shape = now; build(load); }
    const all = load.map((shares) => shares.map((share) => share * shares.length));
    all.forEach((row, mixture) => row.forEach((times, expert) => {
      const cell = cells[mixture][expert];
      style(cell, "--pl-times", `${Math.min(100, 100 * times / FULL).toFixed(0)}%`);
      attribute(cell, "data-idle", times < IDLE);
      attribute(cell, "title", `mixture ${mixture}, expert ${expert}: ${times.toFixed(2)} of an even share`);
      write(/** @type {Element} */ (cell.firstChild), times.toFixed(times < 9.95 ? 2 : 1));
    }));
    const flat = all.flat();
    const idle = flat.filter((times) => times < IDLE).length;
    write(verdict, flat.length ? `1 is an even share; from ${Math.min(...flat).toFixed(2)} to ${Math.max(...flat).toFixed(2)}${idle ? `, ${idle} of ${flat.length} idle` : ""}` : "");
  };
  return { element, draw };
}
