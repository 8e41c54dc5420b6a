// @ts-check
/**
 * The rows of a receipt as an ARIA tree grid: layer, term, its terms, training lines. Made once for a receipt; a picture
 * moves their bars and figures. The largest terms stand open down to their training lines, so that the first look shows
 * where the word comes from.
 */
import { attribute, make, style, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./mixing.js").Term} Term */
/** @typedef {import("./mixing.js").Line} Line */
/** @typedef {{element: HTMLElement, level: number, parent: Node | null, open: boolean, opens: boolean, value: number, draw: (shares: number[], scaled: {starts: number[], total: number}) => void}} Node */

/** @param {import("./desk.js").Desk} desk @param {import("./receipt.js").Receipt} receipt */
export function receiptNodes(desk, receipt) {
  const classes = layerClasses(desk.layers);
  /** @type {Node[]} */
  const nodes = [];
  const add = (/** @type {Node | null} */ parent, /** @type {Omit<Node, "level" | "parent" | "open">} */ made) => {
    const node = { ...made, parent, level: (parent?.level ?? 0) + 1, open: false };
    attribute(node.element, "aria-level", node.level);
    nodes.push(node);
    return node;
  };
  const addTerm = (/** @type {Node} */ parent, /** @type {Term} */ term, /** @type {number} */ k, /** @type {number} */ before) => {
    const node = add(parent, { ...termRow(term, k, before, classes[k]), value: term.value });
    let at = before;
    for (const child of term.terms ?? []) { addTerm(node, child, k, at); at += child.value; }
    for (const line of term.lines ?? []) add(node, { ...lineRow(line), value: 0 });
  };
  desk.layers.forEach((layer, k) => {
    const found = receipt.layers.find((one) => one.name === layer.name);
    if (!found) return;
    const node = add(null, { ...layerRow(found, k, classes[k]), value: found.p });
    let at = 0;
    for (const term of found.terms) { addTerm(node, term, k, at); at += term.value; }
  });
  openLoudest(desk, receipt, nodes);

  const visible = () => nodes.filter((node) => !node.element.hidden);
  const fold = () => {
    for (const node of nodes) {
      node.element.hidden = node.parent !== null && (node.parent.element.hidden || !node.parent.open);
      if (node.opens) attribute(node.element, "aria-expanded", String(node.open));
    }
  };
  const enter = (/** @type {Node | undefined} */ node) => {
    if (!node) return;
    for (const other of nodes) other.element.tabIndex = other === node ? 0 : -1;
    node.element.focus({ preventScroll: false });
  };
  const toggle = (/** @type {Node} */ node, open = !node.open) => { if (node.opens) { node.open = open; fold(); } };
  const at = (/** @type {Event} */ event) => nodes.find((node) => node.element.contains(/** @type {globalThis.Node} */ (event.target)));

  fold();
  nodes.forEach((node, i) => { node.element.tabIndex = i === 0 ? 0 : -1; });
  return {
    elements: nodes.map((node) => node.element),
    draw: (/** @type {number[]} */ shares, /** @type {{starts: number[], total: number}} */ scaled) => nodes.forEach((node) => node.draw(shares, scaled)),
    focus: () => enter(nodes[0]),
    click: (/** @type {MouseEvent} */ event) => { const node = at(event); if (node && !String(getSelection())) { toggle(node); enter(node); } },
    key: (/** @type {KeyboardEvent} */ event) => {
      const node = at(event);
      const rows = visible();
      const here = rows.findIndex((row) => row === node);
      if (!node || here < 0) return;
      const acts = /** @type {Record<string, () => void>} */ ({
        ArrowDown: () => enter(rows[here + 1]), ArrowUp: () => enter(rows[here - 1]), Home: () => enter(rows[0]), End: () => enter(rows[rows.length - 1]),
        ArrowRight: () => (node.open ? enter(rows[here + 1]) : toggle(node, true)), Enter: () => toggle(node), " ": () => toggle(node),
        ArrowLeft: () => (node.open ? toggle(node, false) : enter(node.parent ?? undefined)),
      });
      if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      acts[event.key]();
      event.preventDefault();
    },
  };
}

/** Open the loudest layer, in it the largest term, and so on down to the sentences. @param {import("./desk.js").Desk} desk @param {import("./receipt.js").Receipt} receipt @param {Node[]} nodes */
function openLoudest(desk, receipt, nodes) {
  const weights = desk.step.weights;
  const loud = desk.layers.map((layer, k) => weights[k] * (receipt.layers.find((one) => one.name === layer.name)?.p ?? 0));
  const name = desk.layers[loud.indexOf(Math.max(...loud))].name;
  const top = nodes.find((node) => node.level === 1 && node.element.getAttribute("data-name") === name);
  if (!top) return;
  for (let node = top; node?.opens;) {
    node.open = true;
    const below = nodes.filter((one) => one.parent === node && !one.element.hasAttribute("data-line"));
    node = below.reduce((most, one) => (one.value > most.value ? one : most), below[0]);
  }
}

/** @param {string} name @param {string} detail @param {string} look @param {boolean} opens @param {string} swatch */
function treeRow(name, detail, look, opens, swatch) {
  const number = make("span", { class: "pl-tree-number", role: "gridcell" });
  const bar = make("span", { class: `pl-tree-bar ${look}` });
  const note = make("span", { class: "pl-tree-detail" }, detail);
  const element = make("div", { class: "pl-tree-row", role: "row", "data-name": name },
    make("span", { class: "pl-tree-name", role: "gridcell" }, make("span", { class: opens ? "pl-twist" : "pl-twist pl-no-twist", "aria-hidden": "true" }),
      ...(swatch ? [make("span", { class: `pl-swatch ${swatch}` })] : []), make("span", { class: "pl-tree-words" }, make("span", { class: "pl-tree-label" }, name), " ", note)),
    make("span", { class: "pl-tree-field", role: "gridcell" }, bar), number);
  const set = (/** @type {number} */ value, /** @type {number} */ start, /** @type {number} */ total) => {
    write(number, value.toFixed(6));
    style(bar, "left", total > 0 ? `${((100 * Math.min(start, start + value)) / total).toFixed(3)}%` : "0%");
    style(bar, "width", total > 0 ? `${((100 * Math.abs(value)) / total).toFixed(3)}%` : "0%");
  };
  return { element, note, set };
}

/** @param {import("./mixing.js").LayerReceipt} layer @param {number} k @param {string} look */
function layerRow(layer, k, look) {
  const { element, note, set } = treeRow(layer.name, "", look, layer.terms.length > 0, look);
  return { element, opens: layer.terms.length > 0, draw: (/** @type {number[]} */ shares, /** @type {{starts: number[], total: number}} */ { starts, total }) => {
    write(note, `${(100 * shares[k]).toFixed(0)}\u202f% of the mix × ${layer.p.toFixed(3)}`);
    attribute(element, "data-silent", shares[k] === 0);
    set(shares[k] * layer.p, starts[k], total);
  } };
}

/** @param {Term} term @param {number} k @param {number} before @param {string} look */
function termRow(term, k, before, look) {
  const opens = Boolean(term.terms?.length || term.lines?.length);
  const { element, set } = treeRow(term.name, term.detail ?? "", look, opens, "");
  return { element, opens, draw: (/** @type {number[]} */ shares, /** @type {{starts: number[], total: number}} */ { starts, total }) =>
    set(shares[k] * term.value, starts[k] + shares[k] * before, total) };
}

/** @param {Line} line */
function lineRow(line) {
  const element = make("div", { class: "pl-tree-row pl-tree-line", role: "row", "data-line": true },
    make("span", { class: "pl-tree-quote", role: "gridcell" }, make("q", {}, line.before, make("mark", {}, line.word), line.after), " ", make("span", { class: "pl-tree-detail" }, line.source)));
  return { element, opens: false, draw: () => {} };
}
