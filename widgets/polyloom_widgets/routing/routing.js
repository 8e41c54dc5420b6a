// @ts-check
/**
 * Routing, seen: lanes of experts over the tokens, the load, one decision under sliders, and what another would cost.
 *
 * `render` puts the parts together, draws them once a frame at most, and returns the clean-up. While a slider moves the
 * page decides anew by itself; on release Python is told, and says what it costs.
 */
import { attribute, make, shownToken, spokenToken, textField, write } from "../base/dom.js";
import { matrix } from "../base/matrix.js";
import { saving } from "../base/save.js";
import { Stage } from "../base/stage.js";
import { strip } from "../base/strip.js";
import { bitsOf } from "./chooser.js";
import { Choices } from "./choices.js";
import { decision } from "./decision.js";
import { laneColours, loadBars } from "./load.js";
import { routerPanel } from "./router.js";

const TRAITS = ["text", "pieces", "tables", "scores", "table", "token", "moved", "cost", "parts", "scales", "error"];

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "routing", "Routing");
  const { life, root, redraw, questions } = stage;
  const choices = new Choices(model, questions, redraw);
  const bar = toolbar(choices, life);
  bar.element.append(saving(life, root, { name: "routing", rows: () => scoreRows(choices) }));
  const stripPart = tokenStrip(choices, life);
  const lanes = matrix(choices, life, redraw, (_, token) => choices.pin(token), { what: "lanes of experts", does: "Arrows move over experts and tokens, Enter keeps a token", row: String });
  const loadPart = loadBars(choices, life);
  const decisionPart = decision(choices, life);
  const routerPart = routerPanel(choices, life);
  const lanesPart = make("section", { class: "pl-lanes", "aria-label": "Lanes" }, make("p", { class: "pl-title" }, "who reads which token: fuller is a larger share"), lanes.element);
  root.append(bar.element, stage.banner, stripPart.element, lanesPart, make("div", { class: "pl-desk" }, loadPart.element, decisionPart.element), routerPart.element);

  const draw = () => {
    const table = choices.table;
    if (!table) return;
    stage.tell();
    bar.draw();
    const routes = table.kind === "router";
    for (const part of [stripPart, loadPart, decisionPart]) part.element.hidden = routes;
    lanesPart.hidden = routes;
    routerPart.element.hidden = !routes;
    if (routes) { routerPart.draw(); return; }
    const { cells } = choices.decided();
    lanes.draw({ rows: table.experts.length, columns: table.rows, queries: table.experts, keys: choices.pieces, of: String(choices.at), cells, colours: laneColours(table.experts.length), token: choices.expert, key: choices.token });
    stripPart.draw();
    loadPart.draw(choices.decided());
    decisionPart.draw();
  };
  return stage.open(el, TRAITS, draw, (trait) => { if (["tables", "scores"].includes(trait)) choices.alone = {}; });
}

/** Which table, and the text where another can be read. @param {Choices} choices @param {import("../base/dom.js").Lifetime} life */
function toolbar(choices, life) {
  const select = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "Who chooses" }));
  const text = textField(life, "Text: Enter reads it", (now) => choices.set({ text: now }));
  const element = make("div", { class: "pl-bar" }, select, text.element, make("span", { class: "pl-space" }));
  life.listen(select, "change", () => choices.set({ table: Number(select.value) }));
  let named = "";
  const draw = () => {
    const names = JSON.stringify(choices.tables.map((one) => one.name));
    if (names !== named) { named = names; select.replaceChildren(...choices.tables.map((one, n) => make("option", { value: n }, one.name))); }
    if (select.value !== String(choices.at)) select.value = String(choices.at);
    select.hidden = choices.tables.length < 2;
    text.element.hidden = choices.offline && choices.table.kind !== "router"; // the tokens stand below
    text.element.readOnly = choices.offline;
    text.show(choices.model.get("text") ?? "");
  };
  return { element, draw };
}

/** The tokens, each under the colour and the number of who is wanted most. @param {Choices} choices @param {import("../base/dom.js").Lifetime} life */
function tokenStrip(choices, life) {
  const words = strip(life, {
    label: "Tokens: a button opens its decision", press: (token) => choices.pin(token), inside: (piece) => [make("span", {}, shownToken(piece)), make("i")],
    point: (token) => { if (choices.point(-1, token)) choices.redraw(); },
  });
  const said = make("p", { class: "pl-said", role: "status", "aria-live": "polite" });
  const element = make("section", { class: "pl-text-part", "aria-label": "Text" }, words.element, said);
  const draw = () => {
    const { table } = choices;
    const { chosen } = choices.decided();
    words.show(choices.pieces).forEach((word, t) => {
      const [first] = chosen[t];
      attribute(word, "data-on", t === choices.token);
      attribute(word, "aria-pressed", String(t === choices.pinned));
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
  const rows = Array.from({ length: table.rows }, (_, t) => [choices.pieces[t] ?? "", ...Array.from(choices.decided().rows[t], (one) => one.toFixed(5))]);
  return [["token", ...table.experts], ...rows];
}

/** One decision in words. @param {Choices} choices */
function sentence(choices) {
  const { table, token } = choices;
  if (token < 0 || token >= table.rows) return "Point at a token to see who reads it; click to keep it.";
  const { rows, chosen } = choices.decided();
  const scores = rows[token];
  const names = chosen[token].slice(0, 4).map((e) => `${table.experts[e]} ${Math.round(100 * scores[e])}\u202f%`);
  return `“${spokenToken(choices.pieces[token])}” goes to ${names.join(", ") || "nobody"}; ${bitsOf(scores).toFixed(2)} bits of doubt`;
}

export default { render };
