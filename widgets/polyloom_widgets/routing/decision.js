// @ts-check
/**
 * One decision: the experts most wanted for the token that is looked at, how far each is from being chosen or left out,
 * and a slider for each, which moves its bias for all tokens of this layer.
 */
import { attribute, button, make, numberField, probability, spokenToken, style, write } from "../base/dom.js";
import { flipDistance, ranked } from "./chooser.js";

const LISTED = 8; // experts
const REACH = 0.5; // of a slider, in units of p

/** @param {import("./choices.js").Choices} choices @param {import("../base/dom.js").Lifetime} life */
export function decision(choices, life) {
  const title = make("p", { class: "pl-title" });
  const back = button("As it was", { class: "pl-button pl-small" });
  const list = make("ol", { class: "pl-decision", "aria-label": "Experts wanted for this token" });
  const element = make("section", { class: "pl-decision-part", "aria-label": "Decision" }, make("div", { class: "pl-part-head" }, title, make("span", { class: "pl-space" }), back), list);
  life.listen(back, "click", () => { choices.draft = null; choices.set({ moved: [] }); });
  const drag = (/** @type {number} */ expert, /** @type {number} */ value, /** @type {boolean} */ released) => {
    const moved = choices.table.experts.map((_, e) => (e === expert ? value : choices.moved[e] ?? 0));
    choices.draft = released ? null : moved;
    if (released) choices.set({ moved: moved.some((one) => one !== 0) ? moved : [] });
    else choices.redraw();
  };
  /** @type {Map<number, ReturnType<typeof decisionRow>>} */
  const rows = new Map();
  let table = -1;

  const draw = () => {
    if (table !== choices.at) { table = choices.at; rows.clear(); list.replaceChildren(); }
    const { table: shown, moved } = choices;
    const token = choices.token >= 0 && choices.token < shown.rows ? choices.token : 0;
    const { rows: all, chosen } = choices.decided();
    const scores = all[token];
    const order = ranked(scores, shown.bias, choices.draft === null ? moved : choices.model.get("moved") ?? []).slice(0, LISTED);
    const speaks = chosen[token];
    const read = shown.active ? `${shown.active} of ${shown.experts.length} experts read it` : "shares of the members";
    write(title, `token ${token}, “${spokenToken(choices.pieces[token] ?? "")}”: ${read}`);
    attribute(back, "hidden", !moved.length);
    for (const e of order) if (!rows.has(e)) rows.set(e, decisionRow(life, shown, e, drag));
    const elements = order.map((e) => /** @type {ReturnType<typeof decisionRow>} */ (rows.get(e)).element);
    if (elements.length !== list.children.length || elements.some((one, n) => list.children[n] !== one)) list.replaceChildren(...elements);
    for (const e of order) rows.get(e)?.draw(scores[e], moved[e] ?? 0, speaks.includes(e), flipDistance(shown, scores, moved, e));
  };
  return { element, draw };
}

/** @param {import("../base/dom.js").Lifetime} life @param {import("./chooser.js").Table} table @param {number} e @param {(expert: number, value: number, released: boolean) => void} drag */
function decisionRow(life, table, e, drag) {
  const name = table.experts[e];
  const bar = make("i", { class: `pl-load-bar pl-layer pl-layer-${e % 7}${e >= 7 ? " pl-hatched" : ""}` });
  const [share, flip] = [make("span", { class: "pl-load-share" }), make("span", { class: "pl-flip pl-muted" })];
  const slider = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-bias", min: -REACH, max: REACH, step: 0.005, "aria-label": `bias of ${name}` }));
  const tick = make("i", { class: "pl-flip-tick", title: "where it would be chosen, or left out" });
  const field = numberField(life, { label: `bias of ${name}, figure`, least: -REACH, most: REACH, step: 0.01, digits: 3, report: (value) => drag(e, value, true) });
  const element = make("li", {}, make("span", { class: "pl-load-name" }, name), make("span", { class: "pl-load-field" }, bar), share, make("span", { class: "pl-slider-field" }, slider, tick), field.element, flip);
  life.listen(slider, "input", () => drag(e, Number(slider.value), false));
  life.listen(slider, "change", () => drag(e, Number(slider.value), true));
  life.listen(slider, "dblclick", () => drag(e, 0, true));

  /** @param {number} score @param {number} moved @param {boolean} speaks @param {number} far */
  const draw = (score, moved, speaks, far) => {
    style(bar, "width", `${(100 * Math.min(1, score)).toFixed(1)}%`);
    attribute(element, "data-chosen", speaks);
    write(share, score.toFixed(3));
    const mixture = table.kind === "mixture";
    for (const one of [/** @type {Element} */ (slider.parentElement), field.element]) attribute(one, "hidden", !mixture);
    const level = moved + far; // where the slider would turn the choice
    tick.hidden = !(Math.abs(level) <= REACH);
    style(tick, "--pl-at", ((level + REACH) / (2 * REACH)).toFixed(4));
    if (slider.value !== String(moved)) slider.value = String(moved);
    attribute(slider, "aria-valuetext", `${moved.toFixed(3)}, ${speaks ? "chosen" : "not chosen"}`);
    field.show(moved);
    write(flip, Number.isFinite(far) && mixture ? (speaks ? `chosen; ${probability(-far)} less would leave it out` : `${probability(far)} more would choose it`) : speaks ? "speaks" : "silent");
  };
  return { element, draw };
}
