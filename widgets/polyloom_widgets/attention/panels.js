// @ts-check
/**
 * Three panels that open on demand, for the token that is pinned, or the last one: the shares as a table, what the model
 * would say if it stopped at each depth (logit lens), and what each part added to what follows (direct attribution).
 */
import { attribute, button, make, probability, shownToken, spokenToken, style, write } from "../base/dom.js";
import { strongest } from "./look.js";
import { percent } from "./tokens.js";

/** @typedef {import("./look.js").Look} Look */

const TABLE_ROWS = 20;
const PANELS = [["table", "Table"], ["lens", "Logit lens"], ["attribution", "Attribution"]];
const CELLS_OF = { lens: 1, attribution: 1 };

/** @param {import("./heads.js").Heads} heads @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function panels(heads, life, redraw) {
  const buttons = PANELS.map(([, label]) => button(label, { class: "pl-button pl-small", "aria-pressed": "false" }));
  const body = make("div", { class: "pl-panel", role: "region", "aria-label": "Panel", tabindex: 0 });
  const element = make("section", { class: "pl-panels", "aria-label": "Panels" }, make("div", { class: "pl-part-head" }, ...buttons), body);
  let open = "";
  let asked = "";
  /** @type {any} */
  let answer = null;
  buttons.forEach((one, n) => life.listen(one, "click", () => { open = open === PANELS[n][0] ? "" : PANELS[n][0]; redraw(); }));

  const draw = (/** @type {Look} */ look) => {
    const asks = Boolean(heads.model.get("asks"));
    buttons.forEach((one, n) => {
      attribute(one, "aria-pressed", String(open === PANELS[n][0]));
      attribute(one, "hidden", PANELS[n][0] in CELLS_OF && !asks);
    });
    body.hidden = !open;
    if (!open) return;
    const query = heads.token >= 0 && heads.token < look.rows ? heads.token : look.rows - 1;
    attribute(body, "aria-label", PANELS.find(([name]) => name === open)?.[1] ?? open);
    if (open === "table") body.replaceChildren(shareTable(look, query));
    else ask(open, query);
  };
  /** @param {string} op @param {number} position */
  const ask = (op, position) => {
    const now = JSON.stringify([op, position, heads.model.get("text")]);
    if (now !== asked) {
      asked = now;
      answer = null;
      heads.questions.ask(op, { position }, (found) => { if (now === asked) answer = found; });
    }
    body.replaceChildren(answer === null ? make("p", { class: "pl-muted" }, "asking the model …")
      : answer.error ? make("p", {}, answer.error) : op === "lens" ? lensTable(answer, heads.reading.queries) : attributionList(answer, heads.reading.queries));
  };
  return { element, draw };
}

/** @param {string} caption @param {string[]} head @param {(string | Node)[][]} rows */
function tableOf(caption, head, rows) {
  const cells = (/** @type {(string | Node)[]} */ row) => row.map((cell, n) => make(n ? "td" : "th", n ? {} : { scope: "row" }, cell));
  return make("table", { class: "pl-table" }, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row)))));
}

/** @param {Look} look @param {number} query */
function shareTable(look, query) {
  const rows = strongest(look, query, TABLE_ROWS).map(({ key, share }) => [String(key), shownToken(look.keys[key]), percent(share, look.difference)]);
  return tableOf(`Where token ${query}, “${spokenToken(look.queries[query])}”, looks, most first`, ["key", "token", "share"], rows);
}

/** @param {{position: number, rows: {depth: string, said: {piece: string, p: number}[]}[]}} found @param {string[]} queries */
function lensTable({ position, rows }, queries) {
  const cell = (/** @type {{piece: string, p: number}} */ one) => {
    const made = make("span", { class: "pl-lens-cell" }, `${shownToken(one.piece)} ${probability(one.p)}`);
    style(made, "--pl-share", one.p.toFixed(3));
    return made;
  };
  return tableOf(`After token ${position}, “${spokenToken(queries[position])}”: what the model would say if it stopped there. Early layers were never trained to be read so.`,
    ["depth", "first", "second", "third"], rows.map((row) => [row.depth, ...row.said.map(cell)]));
}

/** @param {{piece: string, position: number, terms: {name: string, value: number}[], total: number, residual: number}} found @param {string[]} queries */
function attributionList({ piece, position, terms, total, residual }, queries) {
  const most = Math.max(1e-9, ...terms.map((term) => Math.abs(term.value)));
  const bar = (/** @type {number} */ value) => {
    const made = make("span", { class: "pl-signed-field" }, make("i", { class: "pl-signed", "data-less": value < 0 }));
    style(/** @type {HTMLElement} */ (made.firstChild), "--pl-share", (Math.abs(value) / most).toFixed(3));
    return made;
  };
  const rows = terms.map((term) => [term.name, bar(term.value), signedFigure(term.value)]);
  const table = tableOf(`Why “${spokenToken(piece)}” after token ${position}, “${spokenToken(queries[position])}”: what each part added`, ["part", "", "logit"], [...rows, ["total", "", signedFigure(total)], ["residual", "", residual.toExponential(1)]]);
  write(/** @type {Element} */ (table.querySelector("thead th:nth-child(2)")), "less | more");
  return table;
}

/** @param {number} value */
function signedFigure(value) {
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(3)}`;
}
