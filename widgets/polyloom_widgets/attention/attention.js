// @ts-check
/**
 * Attention, seen: all heads at a glance, one of them as a matrix or as lines, the text it reads, and what follows.
 *
 * `render` puts the parts together, draws them once a frame at most from one look, and returns the clean-up. Each part
 * is a function that makes its elements and returns `{element, draw}`. A token under the hand is the query in all of them.
 */
import { attribute, button, make, textField, write } from "../base/dom.js";
import { matrix } from "../base/matrix.js";
import { saving } from "../base/save.js";
import { Stage } from "../base/stage.js";
import { arcs } from "./arcs.js";
import { Heads, keyName } from "./heads.js";
import { Eye, shareRows } from "./look.js";
import { next } from "./next.js";
import { overview } from "./overview.js";
import { panels } from "./panels.js";
import { tokens } from "./tokens.js";

const TRAITS = ["text", "readings", "figures", "thumbs", "stored", "stored_p", "reading", "chosen", "look", "measure", "token", "ablated", "compare", "effect", "error"];
const ANEW = ["readings", "thumbs", "stored", "stored_p"]; // after which pictures that were asked for are of another text

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "attention", "Attention");
  const { life, root, redraw, questions } = stage;
  const heads = new Heads(model, questions);
  const eye = new Eye(heads);
  const pin = (/** @type {number} */ query) => { heads.set({ token: query === heads.token ? -1 : query }); };
  const bar = toolbar(heads, life);
  bar.element.append(saving(life, root, { name: "attention", rows: () => shareRows(eye.look()) }));
  const overviewPart = overview(heads, life);
  const matrixPart = matrix(eye, life, redraw, pin, { what: "attention matrix", does: "Arrows move over queries and keys, Enter pins a query" });
  const arcsPart = arcs(eye, life, redraw, pin);
  const tokensPart = tokens(heads, eye, life, redraw, pin);
  const nextPart = next(heads, life);
  const panelsPart = panels(heads, life, redraw);
  const title = make("p", { class: "pl-title pl-shown-name" });
  const picture = make("section", { class: "pl-shown", "aria-label": "Chosen head" }, title, matrixPart.element, arcsPart.element);
  const waiting = make("p", { class: "pl-muted pl-waiting", hidden: true }, "asking for this head …");
  root.append(bar.element, stage.banner, tokensPart.element, make("div", { class: "pl-desk" }, overviewPart.element, picture), waiting, nextPart.element, panelsPart.element);

  const draw = () => {
    if (!heads.reading) return;
    bar.draw();
    overviewPart.draw();
    nextPart.draw();
    const look = eye.look();
    attribute(waiting, "hidden", stage.tell(heads.failure) || look !== null);
    write(title, `${keyName(heads.chosen, heads.silenced)}${heads.comparing ? `: ${heads.reading.name} less ${heads.readings[1 - heads.at].name}, blue is more, orange is less` : ""}: ${model.get("look") === "arcs" ? "words on the left look at words on the right" : "each row looks at its columns"}`);
    attribute(picture, "data-stale", look === null);
    if (!look) return;
    const lines = model.get("look") === "arcs";
    attribute(matrixPart.element, "hidden", lines);
    attribute(arcsPart.element, "hidden", !lines);
    for (const part of [tokensPart, panelsPart, lines ? arcsPart : matrixPart]) part.draw(look);
  };
  return stage.open(el, TRAITS, draw, (trait) => { if (ANEW.includes(trait)) heads.forget(); });
}

/** What is shown and how, and the text where there is a model to read another. @param {Heads} heads @param {import("../base/dom.js").Lifetime} life */
function toolbar(heads, life) {
  const { model } = heads;
  const reading = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "Reading" }));
  const looks = ["matrix", "arcs"].map((name) => button(name === "matrix" ? "Matrix" : "Lines", { class: "pl-button pl-small", "data-look": name }));
  const means = [button("Mean", { class: "pl-button pl-small", "data-key": '["all"]', title: "the mean of all heads" }), button("Roll-out", { class: "pl-button pl-small", "data-key": '["rollout"]', title: "what flows through all layers (Abnar and Zuidema 2020)" })];
  const compare = button("Difference", { class: "pl-button pl-small", title: "this reading less the other" });
  const text = textField(life, "Text: Enter reads it", (now) => heads.set({ text: now }));
  const element = make("div", { class: "pl-bar" }, reading, text.element, make("span", { class: "pl-space" }), ...means, ...looks, compare);
  for (const one of looks) life.listen(one, "click", () => heads.set({ look: one.getAttribute("data-look") }));
  for (const one of means) life.listen(one, "click", () => heads.set({ chosen: JSON.parse(one.getAttribute("data-key") ?? "") }));
  life.listen(compare, "click", () => heads.set({ compare: !heads.comparing }));
  life.listen(reading, "change", () => heads.set({ reading: Number(reading.value), token: -1 }));
  let named = "";

  const draw = () => {
    const names = JSON.stringify(heads.readings.map((one) => one.name));
    if (names !== named) { named = names; reading.replaceChildren(...heads.readings.map((one, n) => make("option", { value: n }, one.name))); }
    if (reading.value !== String(heads.at)) reading.value = String(heads.at);
    reading.hidden = heads.readings.length < 2;
    text.element.hidden = !model.get("asks") || heads.readings.length > 1;
    text.show(model.get("text") ?? "");
    for (const one of looks) attribute(one, "aria-pressed", String(one.getAttribute("data-look") === (model.get("look") ?? "matrix")));
    for (const one of means) attribute(one, "aria-pressed", String(one.getAttribute("data-key") === JSON.stringify(heads.chosen)));
    means[1].hidden = !heads.reading.itself;
    const [a, b] = heads.readings;
    compare.hidden = !b || heads.readings.length > 2 || a.queries.length !== b.queries.length || a.keys.length !== b.keys.length || a.layers.length !== b.layers.length || a.heads !== b.heads;
    attribute(compare, "aria-pressed", String(heads.comparing));
  };
  return { element, draw };
}

export default { render };
