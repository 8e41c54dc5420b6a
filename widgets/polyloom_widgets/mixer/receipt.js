// @ts-check
/**
 * Who said this word: a waterfall from the layers to their terms to sentences they were trained on.
 *
 * Python's receipt speaks on each layer's own probability scale. What is drawn is multiplied by the layer's share in the
 * mix, live under a moving hand, so the bars of the layers lie end to end and reach the total; what the terms leave
 * unexplained is the residual, always printed. A tree grid: arrows walk, right opens, left closes, Escape leaves.
 */
import { attribute, button, make, probability, spokenToken, style, write } from "../base/dom.js";
import { scaledReceipt, sharesOf } from "./mixing.js";
import { receiptNodes } from "./tree.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{token: number, piece: string, key: number, layers: import("./mixing.js").LayerReceipt[], error?: string}} Receipt */

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life @param {(token: number) => HTMLElement} rowOf */
export function receipt(desk, life, rowOf) {
  const title = make("p", { class: "pl-receipt-title" });
  const context = make("p", { class: "pl-muted pl-receipt-context" });
  const close = button("Close the receipt", { class: "pl-button pl-close" }, "×");
  const grid = make("div", { class: "pl-tree", role: "treegrid", "aria-label": "Receipt" });
  const sum = make("span", { class: "pl-tree-number" });
  const bar = make("span", { class: "pl-tree-total" });
  const residual = make("span", { class: "pl-tree-number" });
  const foot = make("div", { class: "pl-tree-foot" },
    make("div", { class: "pl-tree-row" }, make("span", { class: "pl-tree-name" }, "total"), make("span", { class: "pl-tree-field" }, bar), sum),
    make("div", { class: "pl-tree-row pl-muted" }, make("span", { class: "pl-tree-name" }, "residual"), make("span", { class: "pl-tree-field" }, "what the terms leave unexplained"), residual));
  const element = make("section", { class: "pl-receipt", "aria-label": "Receipt", hidden: true },
    make("div", { class: "pl-receipt-head" }, title, context, close), grid, foot);
  /** @type {Receipt | null} */
  let shown = null;
  /** @type {{token: number, piece: string, key: number} | null} */
  let wanted = null;
  let enters = false; // whether the focus follows into the receipt: it does for those who opened it by a key
  /** @type {ReturnType<typeof receiptNodes> | null} */
  let nodes = null;

  const show = (/** @type {Receipt} */ answer) => {
    element.removeAttribute("data-waiting");
    shown = answer.error ? null : answer;
    if (answer.error) wanted = null;
    nodes = shown && receiptNodes(desk, shown);
    grid.replaceChildren(...(nodes?.elements ?? []));
    foot.hidden = !shown;
    write(context, answer.error ?? "");
    if (enters) nodes?.focus();
    enters = false;
  };
  const open = (/** @type {number} */ token, /** @type {string} */ piece, byKey = false) => {
    wanted = { token, piece, key: desk.bars?.key ?? 0 };
    element.hidden = false;
    attribute(element, "data-waiting", true);
    enters = byKey;
    if (!shown) write(title, `${spokenToken(piece)}: …`);
    if (desk.offline) show(desk.model.get("receipts")?.[String(token)] ?? { error: `This page carries no receipt of “${spokenToken(piece)}”.` });
    else desk.ask("receipt", { token, key: wanted.key }, show);
    desk.redraw();
  };
  const leave = () => {
    const back = wanted ?? shown;
    const inside = element.contains(element.ownerDocument.activeElement);
    [shown, wanted, nodes] = [null, null, null];
    element.hidden = true;
    grid.replaceChildren();
    if (back && inside) rowOf(back.token).focus();
  };
  life.listen(close, "click", () => { close.focus(); leave(); });
  life.listen(grid, "click", (/** @type {MouseEvent} */ event) => nodes?.click(event));
  life.listen(grid, "keydown", (/** @type {KeyboardEvent} */ event) => nodes?.key(event));

  const draw = (/** @type {Picture} */ { shares, bars, silent, temperature }) => {
    if (wanted && shown && wanted.key !== desk.bars?.key && bars) open(wanted.token, wanted.piece); // the text moved on: the same word there
    if (!shown || !nodes) return;
    const here = desk.layers.map((layer) => shown?.layers.find((one) => one.name === layer.name) ?? { name: layer.name, p: 0, terms: [] });
    const scaled = scaledReceipt(here, shares);
    nodes.draw(shares, scaled);
    const seen = bars?.rows.find((row) => row.token === shown?.token)?.p ?? scaled.total;
    write(title, `${spokenToken(shown.piece)}: ${probability(seen)}`);
    write(context, silent ? "nobody is speaking" : `${sentence(desk, here, shares, scaled.total)}${temperature === 1 ? "" : " Receipts are at temperature 1."}`);
    write(sum, scaled.total.toFixed(6));
    style(bar, "width", scaled.total > 0 ? "100%" : "0%");
    write(residual, scaled.residual.toFixed(6));
  };
  return { element, draw, open, leave: () => { if (element.hidden) return false; leave(); return true; } };
}

/** Who said most of it. @param {import("./desk.js").Desk} desk @param {import("./mixing.js").LayerReceipt[]} layers @param {number[]} shares @param {number} total */
function sentence(desk, layers, shares, total) {
  const parts = sharesOf(layers.map((layer, k) => shares[k] * layer.p));
  const loudest = parts.indexOf(Math.max(...parts));
  return total > 0 ? `${Math.round(100 * parts[loudest])}\u202f% of it comes from ${desk.layers[loudest].name}.` : "No layer that sounds knows this word here.";
}
