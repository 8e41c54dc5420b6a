// @ts-check
/**
 * Shares as a matrix: a row for each query, a column for each key, a pixel of the canvas for each cell.
 *
 * A cell is a byte, share = (byte / 255)², so that small shares can be seen; of two pictures their difference is drawn. A
 * row may have a colour of its own.
 * The canvas is drawn when the picture changes: when `of` is another, or the bytes are another object. Its size on the page
 * is CSS, and what a hand or a key points at is marked by two bars above it. Where cells are large enough the names stand
 * beside them; else the sentence over the picture names them.
 */
import { attribute, make, shownToken, style } from "./dom.js";

/** @typedef {{rows: number, columns: number, queries: string[], keys: string[], of: string, cells: Uint8Array, others?: Uint8Array | null, colours?: number[][], token: number, key: number}} Shares */
/** @typedef {{point: (query: number, key?: number) => boolean}} Pointer */
/** @typedef {{what: string, does: string, row?: (name: string) => string}} Words what it is, what keys do in it, how a row is called */

const CELL = 26; // pixels of a cell, at most
const NAMED = 11; // pixels from which tokens stand beside their rows and columns
const LEAST = 2;
const TALL = 430; // pixels that rows share while their names stand beside them
const LETTER = 7; // pixels of a name's letter
const EDGE = 84; // pixels of a row's name, at most; CSS says so too

/** @param {Pointer} eye @param {import("./dom.js").Lifetime} life @param {() => void} redraw @param {(query: number, key: number) => void} pin @param {Words} words */
export function matrix(eye, life, redraw, pin, words) {
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { class: "pl-cells", "aria-hidden": "true" }));
  const across = make("i", { class: "pl-across", hidden: true });
  const down = make("i", { class: "pl-down", hidden: true });
  const field = make("div", { class: "pl-matrix-field", tabindex: 0, role: "application", "aria-roledescription": words.what, "aria-label": words.does }, canvas, across, down);
  const rowNames = make("div", { class: "pl-row-names", "aria-hidden": "true" });
  const columnNames = make("div", { class: "pl-column-names", "aria-hidden": "true" });
  const inner = make("div", { class: "pl-matrix-inner" }, make("span"), columnNames, rowNames, field);
  const element = make("div", { class: "pl-matrix", tabindex: -1 }, inner);
  const context = canvas.getContext("2d");
  const rowName = words.row ?? shownToken;
  /** @type {Shares | null} */
  let shown = null;
  let drawn = "";
  /** @type {Uint8Array | null} */
  let drawnCells = null;
  let width = 0;
  let cell = CELL;

  life.width(element, (now) => { width = now; drawn = ""; redraw(); });
  const place = (/** @type {PointerEvent | MouseEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top) / cell), Math.floor((event.clientX - box.left) / cell)];
  };
  const inside = (/** @type {number} */ query, /** @type {number} */ key) => shown !== null && query >= 0 && key >= 0 && query < shown.rows && key < shown.columns;
  life.listen(field, "pointermove", (/** @type {PointerEvent} */ event) => {
    const [query, key] = place(event);
    if (inside(query, key) && eye.point(query, key)) redraw();
  });
  life.listen(field, "pointerleave", () => { if (eye.point(-1)) redraw(); });
  life.listen(field, "click", (/** @type {MouseEvent} */ event) => { const [query, key] = place(event); if (inside(query, key)) pin(query, key); });
  life.listen(field, "blur", () => { if (eye.point(-1)) redraw(); });
  life.listen(field, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const [query, key] = [shown.token < 0 ? shown.rows - 1 : shown.token, shown.key < 0 ? shown.columns - 1 : shown.key];
    const to = { ArrowUp: [query - 1, key], ArrowDown: [query + 1, key], ArrowLeft: [query, key - 1], ArrowRight: [query, key + 1], Home: [query, 0], End: [query, shown.columns - 1], PageUp: [0, key], PageDown: [shown.rows - 1, key] }[event.key];
    if (to && inside(to[0], to[1])) {
      eye.point(to[0], to[1]);
      shown = { ...shown, token: to[0], key: to[1] }; // the next key may come before the next frame
    } else if (event.key === "Enter" || event.key === " ") pin(query, key);
    else if (event.key === "Escape") { eye.point(-1); pin(-1, -1); }
    else if (!to) return;
    event.preventDefault();
    redraw();
  });

  const draw = (/** @type {Shares} */ look) => {
    shown = look;
    if (!width) return;
    const now = `${look.of} ${look.rows} ${look.columns} ${width}`;
    if (now !== drawn || look.cells !== drawnCells) {
      drawn = now;
      drawnCells = look.cells;
      lay(look);
    }
    mark(look);
  };
  /** Size, cells and names. @param {Shares} look */
  const lay = (look) => {
    const names = look.queries.map(rowName);
    const edge = Math.min(EDGE, LETTER * Math.max(...names.map((name) => name.length)) + LETTER);
    const least = Math.min(Math.floor((width - edge - 2) / look.columns), Math.max(NAMED, Math.floor(TALL / look.rows)));
    const named = least >= NAMED;
    cell = Math.max(LEAST, Math.min(CELL, named ? least : Math.floor((width - 2) / look.columns), named ? CELL : NAMED - 1));
    canvas.width = look.columns;
    canvas.height = look.rows;
    context?.putImageData(pixels(look), 0, 0);
    style(inner, "--pl-cell", `${cell}px`);
    style(inner, "--pl-edge-width", `${edge}px`);
    style(canvas, "width", `${cell * look.columns}px`);
    style(canvas, "height", `${cell * look.rows}px`);
    attribute(inner, "data-named", named);
    attribute(columnNames, "data-short", look.keys.every((piece) => piece.length <= 2)); // short ones need not lie
    rowNames.replaceChildren(...(named ? names.map((name) => make("span", { title: name }, name)) : []));
    columnNames.replaceChildren(...(named ? look.keys.map((piece) => make("span", {}, shownToken(piece))) : []));
  };
  /** @param {Shares} look */
  const mark = (look) => {
    across.hidden = look.token < 0;
    down.hidden = look.key < 0;
    style(across, "top", `${cell * look.token}px`);
    style(down, "left", `${cell * look.key}px`);
    for (const [names, at] of /** @type {[HTMLElement, number][]} */ ([[rowNames, look.token], [columnNames, look.key]])) {
      names.querySelector("[data-on]")?.removeAttribute("data-on");
      if (at >= 0) names.children[at]?.setAttribute("data-on", "");
    }
  };
  return { element, draw };
}

/** The share that a byte stands for. @param {number} byte */
export function shareOf(byte) {
  return (byte / 255) ** 2;
}

/** Colours that stand out on a light page and on a dark one: more, and less. */
export const MORE = [42, 143, 208];
const LESS = [224, 112, 26];

/** Cells as pixels, one each: colour by row or by sign, cover by size. @param {Shares} look @returns {ImageData} */
function pixels(look) {
  const image = new ImageData(look.columns, look.rows);
  const { data } = image;
  for (let n = 0; n < look.cells.length; n += 1) {
    const signed = look.others ? shareOf(look.cells[n]) - shareOf(look.others[n]) : 0;
    const cover = look.others ? Math.round(255 * Math.sqrt(Math.abs(signed))) : look.cells[n];
    const [red, green, blue] = look.colours?.[Math.floor(n / look.columns)] ?? (signed < 0 ? LESS : MORE);
    data[4 * n] = red;
    data[4 * n + 1] = green;
    data[4 * n + 2] = blue;
    data[4 * n + 3] = cover;
  }
  return image;
}
