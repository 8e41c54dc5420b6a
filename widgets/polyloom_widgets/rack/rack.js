// @ts-check
/**
 * The rack: a strip for each expert, with its switch, its scale, its memory and what is known of its signature; below,
 * what the base says next and what it says under the rack.
 */
import { nextRow } from "../attention/next.js";
import { attribute, button, make, numberField, roundEnd, textField, write } from "../base/dom.js";
import { saving } from "../base/save.js";
import { Stage } from "../base/stage.js";

/** @typedef {{name: string, bytes: number, state: string, version: string, about: string}} Expert */
/** @typedef {{token: number, piece: string, before: number, after: number}} Said */

const TRAITS = ["prompt", "experts", "scales", "effect", "error"];
const LOUDEST = 2; // of a slider; a figure may be larger
const STATES = { trusted: "✓", unsigned: "–", unknown: "?", "wrong key": "⚠", revoked: "⚠", tampered: "⚠" };

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "rack", "Experts");
  const { life, root, questions } = stage;
  const offline = Boolean(model.get("offline"));
  const set = (/** @type {string} */ name, /** @type {unknown} */ value) => { model.set(name, value); model.save_changes(); stage.redraw(); };
  const prompt = textField(life, "Prompt: Enter reads it", (text) => set("prompt", text));
  prompt.element.disabled = offline;
  const list = make("ol", { class: "pl-rack-rows", "aria-label": "Experts" });
  const vacant = make("p", { class: "pl-muted" }, "The bank has no experts: bank.add(name, adapter), then rack.refresh().");
  const headline = make("p", { class: "pl-cost", role: "status" });
  const rows = make("ol", { class: "pl-next-rows", "aria-label": "Next token" });
  const scale = (/** @type {string} */ name, /** @type {number | null} */ value) => {
    const { [name]: gone, ...others } = model.get("scales") ?? {};
    set("scales", value === null ? others : { ...others, [name]: value });
  };
  root.append(make("div", { class: "pl-bar" }, prompt.element, saving(life, root, { name: "rack", rows: () => rackRows(model) })), stage.banner, vacant, list,
    make("section", { class: "pl-next", "aria-label": "Next token" }, headline, rows));
  let listed = "";
  /** @type {ReturnType<typeof strip>[]} */
  let strips = [];

  const draw = () => {
    /** @type {Expert[]} */
    const experts = model.get("experts") ?? [];
    const scales = model.get("scales") ?? {};
    const now = JSON.stringify(experts);
    if (now !== listed) {
      listed = now;
      strips = experts.map((one) => strip(life, questions, one, scale, offline));
      list.replaceChildren(...strips.map((one) => one.element));
    }
    vacant.hidden = experts.length > 0;
    prompt.show(model.get("prompt") ?? "");
    stage.tell();
    for (const one of strips) one.draw(scales[one.name]);
    const { rows: said = [], change = null } = /** @type {{rows?: Said[], change?: number | null}} */ (model.get("effect") ?? {});
    const attached = Object.keys(scales).length > 0;
    write(headline, change === null ? "" : attached ? `${change < 0 ? "\u2212" : "+"}${Math.abs(change).toFixed(3)} nats a token on this prompt under the rack` : "the base alone");
    const end = roundEnd(Math.max(0, ...said.map((row) => Math.max(row.before, row.after))));
    rows.replaceChildren(...said.map((row) => nextRow(row, attached, end)));
  };
  return stage.open(el, TRAITS, draw);
}

/** One expert. @param {import("../base/dom.js").Lifetime} life @param {import("../base/ask.js").Questions} questions @param {Expert} expert @param {(name: string, value: number | null) => void} scale @param {boolean} offline */
function strip(life, questions, expert, scale, offline) {
  const { name } = expert;
  const on = button("attach", { class: "pl-button pl-small", "aria-label": `attach ${name}`, disabled: offline }, "attach");
  const slider = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-rack-scale", min: 0, max: LOUDEST, step: 0.05, "aria-label": `scale of ${name}`, disabled: offline }));
  const field = numberField(life, { label: `scale of ${name}, figure`, least: -4, most: 4, step: 0.05, digits: 2, report: (value) => scale(name, value) });
  const verdict = make("span", { class: "pl-muted pl-rack-verdict", role: "status" });
  const verify = button("verify", { class: "pl-button pl-small", "aria-label": `verify ${name}`, hidden: offline || !expert.version }, "verify");
  const state = expert.state || "of unknown origin";
  const facts = [`${STATES[/** @type {keyof typeof STATES} */ (expert.state)] ?? "?"} ${state}`, `${(expert.bytes / 1e6).toFixed(2)} MB`, expert.about].filter(Boolean).join(" · ");
  const element = make("li", { class: "pl-rack-row" }, on, make("span", { class: "pl-rack-name" }, `${name} ${expert.version}`), slider, field.element, verify, make("p", { class: "pl-muted pl-rack-facts" }, facts), verdict);
  let attached = false;
  life.listen(on, "click", () => scale(name, attached ? null : 1));
  life.listen(slider, "change", () => scale(name, Number(slider.value)));
  life.listen(verify, "click", () => { write(verdict, "reading …"); questions.ask("verify", { expert: name }, (answer) => write(verdict, answer.error ?? answer.said)); });

  const draw = (/** @type {number | undefined} */ now) => {
    attached = now !== undefined;
    attribute(on, "aria-pressed", String(attached));
    write(on, attached ? "attached" : "attach");
    attribute(element, "data-attached", attached);
    slider.disabled = offline || !attached;
    if (slider.value !== String(now ?? 0)) slider.value = String(now ?? 0);
    attribute(slider, "aria-valuetext", attached ? `${(now ?? 0).toFixed(2)}` : "detached");
    /** @type {HTMLInputElement} */ (field.element).disabled = offline || !attached;
    field.show(now ?? 0);
  };
  return { element, name, draw };
}

/** @param {any} model @returns {string[][]} */
function rackRows(model) {
  const scales = model.get("scales") ?? {};
  const rows = (model.get("experts") ?? []).map((/** @type {Expert} */ one) => [one.name, one.version, String(scales[one.name] ?? "detached"), one.state, String(one.bytes), one.about]);
  return [["expert", "version", "scale", "signature", "bytes", "about"], ...rows];
}

export default { render };
