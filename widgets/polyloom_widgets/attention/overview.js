// @ts-check
/**
 * All heads at a glance: a row for each layer, a small picture for each head, or one of its figures as a shade.
 *
 * A grid of buttons. A click chooses a head, with Ctrl or Shift the mean of it and those chosen before in its layer; the
 * layer's name is the mean of all of it. Arrows walk, and what is silenced is crossed out. The small pictures are drawn once for a text; choosing changes attributes only.
 */
import { attribute, button, make, style, write } from "../base/dom.js";
import { MORE } from "../base/matrix.js";
import { keyName } from "./heads.js";

/** @typedef {import("./heads.js").Heads} Heads */
/** @typedef {import("./heads.js").Key} Key */

const MEASURE_NAMES = ["pattern", "entropy", "distance", "first token"];

/** @param {Heads} heads @param {import("../base/dom.js").Lifetime} life */
export function overview(heads, life) {
  const grid = make("div", { class: "pl-heads", role: "grid", "aria-label": "Heads: a row for each layer" });
  const select = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "What the overview shows" }, ...MEASURE_NAMES.map((name) => make("option", { value: name }, name))));
  const said = make("p", { class: "pl-muted pl-measure-words" });
  const element = make("section", { class: "pl-overview", "aria-label": "Overview" },
    make("div", { class: "pl-part-head" }, make("span", { class: "pl-title" }, "heads"), select), make("div", { class: "pl-heads-field" }, grid), said);
  /** @type {HTMLElement[][]} */
  let rows = []; // of buttons: the layer's name, then its heads
  let drawn = "";

  life.listen(select, "change", () => { heads.set({ measure: select.value }); });
  life.listen(grid, "click", (/** @type {MouseEvent} */ event) => {
    const cell = /** @type {Element} */ (event.target).closest("[data-key]");
    if (cell) { heads.set({ chosen: together(heads.chosen, JSON.parse(cell.getAttribute("data-key") ?? '["all"]'), event.ctrlKey || event.metaKey || event.shiftKey) }); }
  });
  life.listen(grid, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const row = rows.findIndex((one) => one.includes(/** @type {HTMLElement} */ (event.target)));
    if (row < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const column = rows[row].indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], Home: [row, 0], End: [row, rows[row].length - 1] }[event.key];
    if (!to) return;
    event.preventDefault();
    enter(rows[to[0]]?.[to[1]]);
  });
  const enter = (/** @type {HTMLElement | undefined} */ cell) => {
    if (!cell) return;
    for (const other of rows.flat()) attribute(other, "tabindex", other === cell ? 0 : -1);
    cell.focus();
  };

  const build = () => {
    const { layers, heads: count } = heads.reading;
    rows = layers.map((layer, n) => [
      make("button", { type: "button", class: "pl-layer-name", role: "rowheader", "data-key": JSON.stringify(["layer", layer]), tabindex: -1, "aria-label": keyName(["layer", layer]), title: keyName(["layer", layer]) }, String(layer)),
      ...Array.from({ length: count }, (_, head) => headButton(layer, n, head)),
    ]);
    const places = [make("span", { class: "pl-corner", role: "columnheader" }, make("span", { class: "pl-hidden" }, "layer")), ...Array.from({ length: count }, (_, head) => make("span", { class: "pl-head-name", role: "columnheader" }, String(head)))];
    grid.replaceChildren(make("div", { role: "row", class: "pl-heads-row" }, ...places), ...rows.map((row) => make("div", { role: "row", class: "pl-heads-row" }, ...row)));
    style(grid, "--pl-columns", String(count));
    if (rows[0]?.[1]) attribute(rows[0][1], "tabindex", 0);
  };
  const headButton = (/** @type {number} */ layer, /** @type {number} */ n, /** @type {number} */ head) => {
    const { entropy, distance, first } = heads.figures(n, head);
    const name = `layer ${layer}, head ${head}: entropy ${entropy.toFixed(2)} bits, looks ${distance.toFixed(1)} tokens away, ${Math.round(100 * first)} percent on the first token`;
    const cell = button(name, { class: "pl-head-cell", role: "gridcell", "data-key": JSON.stringify(["head", layer, head]), tabindex: -1 }, thumbCanvas(heads.thumb(n, head)));
    return cell;
  };

  const draw = () => {
    const now = JSON.stringify([heads.at, heads.model.get("text"), heads.reading.queries.length, heads.model.get("thumbs")?.byteLength]);
    if (now !== drawn) { build(); drawn = now; }
    const measure = heads.model.get("measure") ?? "pattern";
    if (select.value !== measure) select.value = measure;
    attribute(grid, "data-measure", measure);
    const figures = heads.reading.layers.map((_, n) => Array.from({ length: heads.reading.heads }, (_, head) => heads.figures(n, head)));
    const value = (/** @type {{entropy: number, distance: number, first: number}} */ one) => (measure === "entropy" ? one.entropy : measure === "distance" ? one.distance : one.first);
    const most = Math.max(1e-9, ...figures.flat().map(value));
    const chosen = JSON.stringify(heads.chosen);
    rows.forEach((row, n) => row.forEach((cell, column) => {
      attribute(cell, "aria-selected", String(cell.getAttribute("data-key") === chosen || (column > 0 && heads.chosen[0] === "heads" && heads.chosen[1] === heads.reading.layers[n] && heads.chosen.includes(column - 1, 2))));
      if (!column) return;
      const silenced = heads.silenced.some(([layer, head]) => layer === heads.reading.layers[n] && head === column - 1);
      attribute(cell, "data-silenced", silenced);
      style(cell, "--pl-share", measure === "pattern" ? "0" : (value(figures[n][column - 1]) / most).toFixed(3));
    }));
    write(said, words(measure, most));
  };
  return { element, draw };
}

/** What is chosen after a click on `key`, which adds to what was chosen or takes out of it. @param {Key} before @param {Key} key @param {boolean} adds @returns {Key} */
export function together(before, key, adds) {
  if (!adds || key[0] !== "head" || !["head", "heads"].includes(String(before[0])) || before[1] !== key[1]) return key;
  const old = before.slice(2);
  const found = old.includes(key[2]) ? old.filter((head) => head !== key[2]) : [...old, key[2]].sort((a, b) => Number(a) - Number(b));
  return found.length === 1 ? ["head", key[1], found[0]] : found.length ? ["heads", key[1], ...found] : key;
}

/** @param {string} measure @param {number} most */
function words(measure, most) {
  if (measure === "entropy") return `entropy: how spread a head looks, empty 0, full ${most.toFixed(2)} bits`;
  if (measure === "distance") return `distance: how far a head looks, empty 0, full ${most.toFixed(1)} tokens`;
  if (measure === "first token") return `first token: how much a head rests there, empty 0, full ${Math.round(100 * most)}\u202f%`;
  return "layers down, heads across; in each picture rows look at columns";
}

/** @param {{rows: number, columns: number, cells: Uint8Array}} thumb */
function thumbCanvas({ rows, columns, cells }) {
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { width: columns, height: rows, "aria-hidden": "true" }));
  const image = new ImageData(columns, rows);
  cells.forEach((byte, n) => image.data.set([...MORE, byte], 4 * n));
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}
