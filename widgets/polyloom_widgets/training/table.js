// @ts-check
/**
 * The curves as a table: a row for each evaluation, or for ten places of the curve where nothing was evaluated. It is
 * open to everybody, and the way to the figures for those who do not see lines.
 */
import { attribute, button, make } from "../base/dom.js";
import { nats, whole } from "./figures.js";

/** @typedef {import("./figures.js").Figures} Figures */

const PLACES = 10; // where nothing was evaluated
const COLUMNS = ["step", "held-out loss", "batch loss", "learning rate", "tokens a second"];

/** @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function table(life, redraw) {
  const toggle = button("Table", { class: "pl-button pl-small", "aria-pressed": "false" });
  const body = make("tbody");
  const head = make("tr", {}, ...COLUMNS.map((text) => make("th", { scope: "col" }, text)));
  const field = make("div", { class: "pl-table-field", role: "region", "aria-label": "Figures of the training", tabindex: 0 }, make("table", { class: "pl-table" }, make("thead", {}, head), body));
  const element = make("div", { class: "pl-table-part" }, toggle, field);
  let open = false;
  life.listen(toggle, "click", () => { open = !open; redraw(); });

  const draw = (/** @type {Figures} */ { points, marks }) => {
    attribute(toggle, "aria-pressed", String(open));
    attribute(field, "hidden", !open);
    if (!open) return;
    const gap = Math.max(1, Math.ceil(points.length / PLACES));
    const steps = marks.length ? marks.map((mark) => mark.step) : points.filter((_, i) => i % gap === 0 || i === points.length - 1).map((point) => point.step);
    const rows = steps.map((step) => {
      const mark = marks.find((one) => one.step === step);
      const point = points.find((one) => one.step >= step) ?? points[points.length - 1];
      const cells = [nats(mark?.loss), nats(point?.loss), point ? `× ${point.rate.toFixed(2)}` : "–", point ? whole(point.pace) : "–"];
      return make("tr", {}, make("th", { scope: "row" }, whole(step)), ...cells.map((text) => make("td", {}, text)));
    });
    body.replaceChildren(...rows);
  };
  return { element, draw };
}

/** Every point of the curve, with the held-out loss where it was judged. @param {Figures} figures @returns {string[][]} */
export function lossRows({ points, marks }) {
  const judged = new Map(marks.map((mark) => [mark.step, nats(mark.loss)]));
  const rows = points.map((point) => [String(point.step), judged.get(point.step) ?? "", nats(point.loss), point.rate.toFixed(4), whole(point.pace)]);
  return [COLUMNS, ...rows];
}
