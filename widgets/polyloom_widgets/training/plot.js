// @ts-check
/**
 * Both losses by step: the batches' as a thin line, the held-out one as a thick line with a dot for each evaluation.
 *
 * The plot can be read under the pointer or with the arrow keys: a line marks the step, and its figures stand above. It
 * is a slider for those who hear it.
 */
import { attribute, make, makeSvg, write } from "../base/dom.js";
import { nats, whole } from "./figures.js";
import { evenTicks, lastStep, logScale, path } from "./scale.js";

/** @typedef {import("./figures.js").Figures} Figures */
/** @typedef {import("./figures.js").Point} Point */

const TALL = 216;
const LEFT = 34; // pixels around the field
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const LEVELS = 7; // ticks of the loss at most
const APART = 76; // pixels between two ticks of the steps, at least

/** @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function plot(life, redraw) {
  const batch = makeSvg("path", { class: "pl-batch" });
  const held = makeSvg("path", { class: "pl-held" });
  const [levels, dots, below] = ["pl-levels", "pl-dots", "pl-below"].map((name) => makeSvg("g", { class: name }));
  const cross = makeSvg("line", { class: "pl-cross", y1: TOP, y2: TALL - BOTTOM });
  const svg = makeSvg("svg", { class: "pl-svg", height: TALL, "aria-hidden": "true" }, levels, below, batch, held, dots, cross);
  const field = make("div", { class: "pl-plot-field", role: "slider", tabindex: 0, "aria-label": "Loss by step", "aria-valuemin": 0 }, svg);
  const key = make("p", { class: "pl-legend-row" }, make("i", { class: "pl-sample pl-sample-batch" }), make("span", {}, "loss of each batch"), make("i", { class: "pl-sample pl-sample-held" }), make("span", {}, "held-out loss"));
  const reading = make("p", { class: "pl-reading" });
  const element = make("div", { class: "pl-plot" }, make("div", { class: "pl-plot-head" }, key, reading), field);
  let width = 0;
  /** @type {Figures | null} */
  let shown = null;
  /** @type {number | null} */
  let chosen = null; // the index of a point

  const end = () => lastStep(shown?.status ?? null);
  const across = (/** @type {number} */ step) => LEFT + (width - LEFT - RIGHT) * step / end();
  const choose = (/** @type {number | null} */ index) => {
    const last = (shown?.points.length ?? 0) - 1;
    chosen = index === null || last < 0 ? null : Math.max(0, Math.min(last, index));
    redraw();
  };
  const nearest = (/** @type {number} */ x) => {
    const points = shown?.points ?? [];
    let best = 0;
    points.forEach((point, i) => { if (Math.abs(across(point.step) - x) < Math.abs(across(points[best].step) - x)) best = i; });
    return best;
  };
  life.width(field, (now) => { width = now; redraw(); });
  life.listen(field, "pointermove", (/** @type {PointerEvent} */ event) => choose(nearest(event.clientX - field.getBoundingClientRect().left)));
  life.listen(field, "pointerleave", () => choose(null));
  life.listen(field, "blur", () => choose(null));
  life.listen(field, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const last = (shown?.points.length ?? 0) - 1;
    const leap = Math.max(1, Math.round(last / 10));
    const from = chosen ?? last;
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, PageDown: from - leap, PageUp: from + leap, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(to);
  });

  const draw = (/** @type {Figures} */ figures) => {
    shown = figures;
    if (!width || !figures.status) return;
    const { points, marks } = figures;
    const judged = marks.filter((mark) => Number.isFinite(mark.loss));
    const scale = logScale([...points, ...judged].map((one) => one.loss), LEVELS);
    attribute(svg, "width", width);
    if (!scale) return;
    const down = (/** @type {number} */ loss) => TOP + (TALL - TOP - BOTTOM) * (1 - scale.at(loss));
    attribute(batch, "d", path(points.map((point) => [across(point.step), down(point.loss)])));
    attribute(held, "d", path(judged.map((mark) => [across(mark.step), down(mark.loss)])));
    dots.replaceChildren(...judged.slice(-60).map((mark) => makeSvg("circle", { cx: across(mark.step).toFixed(1), cy: down(mark.loss).toFixed(1), r: judged.length > 24 ? 2 : 3 })));
    levels.replaceChildren(...scale.ticks.flatMap((tick) => [
      makeSvg("line", { x1: LEFT, x2: width - RIGHT, y1: down(tick).toFixed(1), y2: down(tick).toFixed(1) }),
      makeSvg("text", { x: LEFT - 6, y: (down(tick) + 4).toFixed(1), "text-anchor": "end" }, String(tick)),
    ]));
    const steps = evenTicks(0, end(), Math.max(1, Math.floor((width - LEFT - RIGHT) / APART)));
    below.replaceChildren(...steps.map((step, i) => makeSvg("text", { x: across(step).toFixed(1), y: TALL - 6, "text-anchor": i ? (across(step) > width - 40 ? "end" : "middle") : "start" }, i ? whole(step) : "step 0")));
    mark(figures, judged);
  };

  const mark = (/** @type {Figures} */ { points, status }, /** @type {import("./figures.js").Mark[]} */ judged) => {
    const point = points[chosen ?? points.length - 1];
    const last = judged.filter((one) => one.step <= (point?.step ?? 0)).at(-1);
    const words = point ? `step ${whole(point.step)}: batch ${nats(point.loss)}${last ? `, held-out ${nats(last.loss)}${last.step < point.step ? ` (step ${whole(last.step)})` : ""}` : ""}` : "";
    attribute(cross, "visibility", chosen === null ? "hidden" : "visible");
    attribute(cross, "x1", across(point?.step ?? 0).toFixed(1));
    attribute(cross, "x2", across(point?.step ?? 0).toFixed(1));
    write(reading, chosen === null ? "" : words);
    attribute(field, "aria-valuemax", end());
    attribute(field, "aria-valuenow", point?.step ?? status?.step ?? 0);
    attribute(field, "aria-valuetext", words);
  };
  return { element, draw };
}
