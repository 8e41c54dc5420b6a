// @ts-check
/**
 * Routing, seen: lanes of experts over the tokens, the load, one decision under sliders, and what another would cost.
 *
 * `render` puts the parts together, draws them once a frame at most, and returns the clean-up. While a slider moves the
 * page decides anew by itself; on release Python is told, and says what it costs.
 */
import { Questions } from "../base/ask.js";
import { attribute, keepClicks, keepKeys, Lifetime, make, shownToken, spokenToken, write } from "../base/dom.js";
import { matrix } from "../base/matrix.js";
import { saving } from "../base/save.js";
import { bitsOf, chosenOf, loads } from "./chooser.js";
import { Choices } from "./choices.js";
import { decision } from "./decision.js";
import { laneColours, loadBars } from "./load.js";
import { routerPanel } from "./router.js";

const TRAITS = ["text", "pieces", "tables", "scores", "table", "token", "moved", "cost", "parts", "scales", "error"];

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const life = new Lifetime();
  const root = make("div", { class: "polyloom pl-routing", role: "group", "aria-label": "Routing" });
  keepKeys(life, root);
  keepClicks(life, root);
  const redraw = life.frame(() => draw());
  let refused = "";
  const questions = new Questions(model, life, redraw, (error) => { refused = error; });
  const choices = new Choices(model, questions, redraw);
  const bar = toolbar(choices, life);
  bar.element.append(saving(life, root, { name: "routing", rows: () => scoreRows(choices) }));
  const banner = make("div", { class: "pl-trouble", role: "alert", hidden: true });
  const strip = tokenStrip(choices, life);
  const lanes = matrix(choices, life, redraw, (_, token) => choices.set({ token: choices.token === token && choices.hovered < 0 ? -1 : token }), { what: "lanes of experts", does: "Arrows move over experts and tokens, Enter keeps a token" });
  const loadPart = loadBars(choices, life);
  const decisionPart = decision(choices, life);
  const routerPart = routerPanel(choices, life);
  const lanesPart = make("section", { class: "pl-lanes", "aria-label": "Lanes" }, make("p", { class: "pl-title" }, "who reads which token: fuller is a larger share"), lanes.element);
  root.append(bar.element, banner, strip.element, lanesPart, make("div", { class: "pl-desk" }, loadPart.element, decisionPart.element), routerPart.element);

  const draw = () => {
    const table = choices.table;
    if (!table) return;
    const trouble = String(model.get("error") ?? "") || refused;
    write(banner, trouble ? `⚠ ${trouble}` : "");
    attribute(banner, "hidden", !trouble);
    bar.draw();
    const routes = table.kind === "router";
    for (const part of [strip, loadPart, decisionPart]) part.element.hidden = routes;
    lanesPart.hidden = routes;
    routerPart.element.hidden = !routes;
    if (routes) { routerPart.draw(); return; }
    const { cells, of } = laneCells(choices);
    lanes.draw({ rows: table.experts.length, columns: table.rows, queries: table.experts, keys: choices.pieces, of, cells, colours: laneColours(table.experts.length), token: choices.expert, key: choices.token });
    strip.draw();
    loadPart.draw(loads(table, (t) => choices.row(t), choices.moved));
    decisionPart.draw();
  };
  for (const trait of TRAITS) life.follow(model, `change:${trait}`, () => { if (["tables", "scores"].includes(trait)) choices.alone = {}; refused = ""; redraw(); });
  el.append(root);
  draw();
  return () => { life.end(); root.remove(); };
}

/** The lanes as bytes: the square root of the share of those who are chosen; the others are empty. @param {Choices} choices */
function laneCells(choices) {
  const { table, moved } = choices;
  const cells = new Uint8Array(table.experts.length * table.rows);
  for (let t = 0; t < table.rows; t += 1) {
    const scores = choices.row(t);
    for (const e of chosenOf(table, scores, moved)) cells[e * table.rows + t] = Math.max(60, Math.round(255 * Math.sqrt(Math.min(1, Math.max(0, scores[e])))));
  }
  return { cells, of: JSON.stringify([choices.at, moved, choices.model.get("text")]) };
}

/** Which table, and the text where another can be read. @param {Choices} choices @param {Lifetime} life */
function toolbar(choices, life) {
  const select = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "Who chooses" }));
  const text = /** @type {HTMLInputElement} */ (make("input", { type: "text", class: "pl-text-field", "aria-label": "Text: Enter reads it", spellcheck: "false", autocomplete: "off" }));
  const element = make("div", { class: "pl-bar" }, select, text);
  life.listen(select, "change", () => choices.set({ table: Number(select.value) }));
  life.listen(text, "change", () => { if (text.value !== choices.model.get("text")) choices.set({ text: text.value }); });
  let named = "";
  let written = "";
  const draw = () => {
    const names = JSON.stringify(choices.tables.map((one) => one.name));
    if (names !== named) { named = names; select.replaceChildren(...choices.tables.map((one, n) => make("option", { value: n }, one.name))); }
    if (select.value !== String(choices.at)) select.value = String(choices.at);
    select.hidden = choices.tables.length < 2;
    text.disabled = Boolean(choices.model.get("offline"));
    if (written !== choices.model.get("text")) { written = choices.model.get("text") ?? ""; text.value = written; }
  };
  return { element, draw };
}

/** The tokens, each under the colour and the number of who is wanted most. @param {Choices} choices @param {Lifetime} life */
function tokenStrip(choices, life) {
  const list = make("ol", { class: "pl-tokens", "aria-label": "Tokens: a button opens its decision" });
  const said = make("p", { class: "pl-said", role: "status", "aria-live": "polite" });
  const element = make("section", { class: "pl-text-part", "aria-label": "Text" }, list, said);
  /** @type {HTMLElement[]} */
  let words = [];
  let listed = "";
  const at = (/** @type {Event} */ event) => words.indexOf(/** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".pl-token")));
  life.listen(list, "pointerover", (/** @type {PointerEvent} */ event) => { const token = at(event); if (token >= 0 && choices.point(-1, token)) choices.redraw(); });
  life.listen(list, "pointerleave", () => { if (choices.point(-1)) choices.redraw(); });
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => { const token = at(event); if (token >= 0) choices.set({ token: choices.model.get("token") === token ? -1 : token }); });
  life.listen(list, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const token = at(event);
    const to = { ArrowLeft: token - 1, ArrowRight: token + 1, Home: 0, End: words.length - 1 }[event.key];
    if (token < 0 || to === undefined || !words[to] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    for (const other of words) attribute(other, "tabindex", other === words[to] ? 0 : -1);
    words[to].focus();
    choices.set({ token: to });
  });
  const draw = () => {
    const now = JSON.stringify(choices.pieces);
    if (now !== listed) {
      listed = now;
      words = choices.pieces.map((piece, n) => make("button", { type: "button", class: "pl-token", tabindex: n ? -1 : 0 }, make("span", {}, shownToken(piece)), make("i", { class: "pl-who" })));
      list.replaceChildren(...words.map((word) => make("li", {}, word)));
    }
    const { table, moved } = choices;
    words.forEach((word, t) => {
      const [first] = chosenOf(table, choices.row(t), moved);
      attribute(word, "data-on", t === choices.token);
      attribute(word, "aria-pressed", String(t === choices.model.get("token")));
      attribute(word, "aria-label", `${t}: ${spokenToken(choices.pieces[t])}, ${table.experts[first] ?? "nobody"}`);
      const who = /** @type {HTMLElement} */ (word.lastChild);
      const name = `pl-who pl-layer pl-layer-${first % 7}${first >= 7 ? " pl-hatched" : ""}`;
      if (who.className !== name) who.className = name;
      write(who, String(first ?? ""));
    });
    write(said, sentence(choices));
  };
  return { element, draw };
}

/** The scores as a table: a row for each token. @param {Choices} choices @returns {string[][]} */
function scoreRows(choices) {
  const { table } = choices;
  const rows = Array.from({ length: table.rows }, (_, t) => [choices.pieces[t] ?? "", ...Array.from(choices.row(t), (one) => one.toFixed(5))]);
  return [["token", ...table.experts], ...rows];
}

/** One decision in words. @param {Choices} choices */
function sentence(choices) {
  const { table, token } = choices;
  if (token < 0 || token >= table.rows) return "Point at a token to see who reads it; click to keep it.";
  const scores = choices.row(token);
  const chosen = chosenOf(table, scores, choices.moved);
  const names = chosen.slice(0, 4).map((e) => `${table.experts[e]} ${Math.round(100 * scores[e])}\u202f%`);
  return `“${spokenToken(choices.pieces[token])}” goes to ${names.join(", ") || "nobody"}; ${bitsOf(scores).toFixed(2)} bits of doubt`;
}

export default { render };
