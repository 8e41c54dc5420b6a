// @ts-check
/** Two panels that only tell: what each layer adds to the held-out text, and how alike the layers are. */
import { make, style, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** Ask Python once for each mix; what it said last stays, dimmed, while the next answer is on its way. @param {import("./desk.js").Desk} desk @param {string} op @param {(answer: any) => HTMLElement[]} show */
function told(desk, op, show) {
  const element = make("div", { class: "pl-insight", role: "region", "aria-label": op, tabindex: 0 });
  let asked = "";
  const draw = (/** @type {Picture} */ { weights, silent }) => {
    const now = JSON.stringify(weights);
    if (silent || desk.dragging || now === asked) return;
    asked = now;
    element.setAttribute("data-waiting", "");
    desk.ask(op, {}, (answer) => {
      element.removeAttribute("data-waiting");
      element.replaceChildren(...(answer.error ? [make("p", { class: "pl-message" }, `⚠ ${answer.error}`)] : show(answer)));
    });
  };
  return { element, draw };
}

/** @param {import("./desk.js").Desk} desk */
export function creditPanel(desk) {
  return told(desk, "credit", (answer) => {
    const classes = layerClasses(desk.layers);
    const most = Math.max(1e-9, ...answer.values.map(Math.abs), ...answer.alone.map(Math.abs));
    const rows = desk.layers.map((layer, k) => creditRow(layer.name, classes[k], answer.values[k], answer.alone[k], most));
    const pairs = answer.pairs.filter((/** @type {[string, string, number]} */ [, , value]) => Math.abs(value) >= 0.0005).map((/** @type {[string, string, number]} */ [a, b, value]) => `${a} and ${b} ${natsOf(value)} ${value < 0 ? "(they know the same)" : "(together more)"}`);
    return [
      make("p", { class: "pl-muted" }, `What each layer adds to ${answer.tokens} held-out tokens, in nats a token; the tick is what it adds alone. Together ${natsOf(answer.whole - answer.nothing)}.`),
      make("ol", { class: "pl-credit" }, ...rows),
      make("p", { class: "pl-muted" }, [...pairs, `residual ${Math.abs(answer.residual) < 1e-12 ? "0" : Math.abs(answer.residual).toExponential(0)}`].join("; ")),
    ];
  });
}

/** @param {string} name @param {string} look @param {number} value @param {number} alone @param {number} most */
function creditRow(name, look, value, alone, most) {
  const bar = make("i", { class: `pl-credit-bar ${look}` });
  const tick = make("i", { class: "pl-credit-tick" });
  style(bar, "width", `${(50 * Math.abs(value)) / most}%`);
  style(bar, value < 0 ? "right" : "left", "50%");
  style(tick, "left", `${50 + (50 * alone) / most}%`);
  const said = `${natsOf(value)}, alone ${natsOf(alone)}`;
  return make("li", { "aria-label": `${name}: ${said}` }, make("span", { class: "pl-credit-name" }, name), make("span", { class: "pl-credit-field" }, bar, tick), make("span", { class: "pl-credit-said" }, said));
}

/** @param {import("./desk.js").Desk} desk */
export function likenessPanel(desk) {
  return told(desk, "likeness", ({ names, values }) => {
    const head = make("tr", {}, make("td"), ...names.map((/** @type {string} */ name) => make("th", { scope: "col" }, name)));
    const rows = names.map((/** @type {string} */ name, /** @type {number} */ a) => make("tr", {}, make("th", { scope: "row" }, name), ...values[a].map((/** @type {number} */ value, /** @type {number} */ b) => likenessCell(value, a === b))));
    const note = make("p", { class: "pl-muted" });
    write(note, "How alike the layers are in what they say comes next: 1 is the same. Layers that are alike share their credit.");
    return [note, make("table", { class: "pl-likeness" }, make("thead", {}, head), make("tbody", {}, ...rows))];
  });
}

/** @param {number} value @param {boolean} itself */
function likenessCell(value, itself) {
  const cell = make("td", { "data-itself": itself }, value.toFixed(3));
  style(cell, "--pl-like", itself ? "0" : value.toFixed(3));
  return cell;
}

/** @param {number} value */
function natsOf(value) {
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(3)}`;
}
