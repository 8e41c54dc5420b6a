// @ts-check
/**
 * Small lines beside the losses: how fast, with what learning rate, and how unevenly the experts are used. Each says its
 * newest figure in words; none can be read exactly, and none has to be: the table has the figures.
 */
import { attribute, make, makeSvg, write } from "../base/dom.js";
import { whole } from "./figures.js";
import { lastStep, linearScale, path } from "./scale.js";

/** @typedef {import("./figures.js").Figures} Figures */

const LOW = 36;
const KINDS = [
  { name: "learning rate", of: (/** @type {Figures} */ f) => f.points.map(({ step, rate }) => [step, rate]), said: (/** @type {number} */ v) => `× ${v.toFixed(2)}` },
  { name: "tokens a second", of: (/** @type {Figures} */ f) => f.points.map(({ step, pace }) => [step, pace]), said: whole },
  { name: "busiest expert", of: (/** @type {Figures} */ f) => f.marks.map(({ step, busiest }) => [step, busiest]), said: (/** @type {number} */ v) => `${v.toFixed(2)} × even` },
];

/** @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function lines(life, redraw) {
  const parts = KINDS.map((kind) => line(kind));
  const element = make("div", { class: "pl-lines" }, ...parts.map((part) => part.element));
  let width = 0;
  life.width(parts[0].field, (now) => { width = now; redraw(); });
  return { element, draw: (/** @type {Figures} */ figures) => { for (const part of parts) part.draw(figures, width); } };
}

/** @param {typeof KINDS[number]} kind */
function line(kind) {
  const stroke = makeSvg("path", { class: "pl-thin" });
  const dot = makeSvg("circle", { r: 2.5, class: "pl-thin-dot" });
  const svg = makeSvg("svg", { class: "pl-svg", height: LOW }, makeSvg("line", { class: "pl-floor", x1: 0, x2: "100%", y1: LOW - 3, y2: LOW - 3 }), stroke, dot);
  const field = make("div", { class: "pl-line-field", "aria-hidden": "true" }, svg);
  const number = make("span", { class: "pl-line-number" });
  const element = make("div", { class: "pl-small-line" }, make("div", { class: "pl-line-head" }, make("span", { class: "pl-title" }, kind.name), number), field);
  const draw = (/** @type {Figures} */ figures, /** @type {number} */ width) => {
    const points = kind.of(figures).filter(([, value]) => Number.isFinite(value));
    const scale = linearScale(points.map(([, value]) => value));
    attribute(element, "hidden", !scale);
    if (!scale || !width) return;
    const end = lastStep(figures.status);
    const placed = points.map(([step, value]) => /** @type {[number, number]} */ ([3 + (width - 8) * step / end, 4 + (LOW - 7) * (1 - scale.at(value))]));
    attribute(svg, "width", width);
    attribute(stroke, "d", path(placed));
    attribute(dot, "cx", placed[placed.length - 1][0].toFixed(1));
    attribute(dot, "cy", placed[placed.length - 1][1].toFixed(1));
    write(number, kind.said(points[points.length - 1][1]));
  };
  return { element, field, draw };
}
