// @ts-check
/**
 * Is it better? The change of held-out perplexity against the pinned mix with its 95 % interval, what the perplexity
 * means, and a row for each slice: pinned → now, on one logarithmic axis that under a moving hand only grows.
 */
import { attribute, button, figure, make, signed, style, switchOff, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./picture.js").ScorePicture} ScorePicture */

const TICKS = 6;

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function score(desk, life) {
  const headline = make("span", { class: "pl-headline" });
  const verdict = make("span", { class: "pl-verdict" });
  const pin = button("Pin", { class: "pl-button pl-small", title: "compare with this mix from now on" });
  const meaning = make("p", { class: "pl-meaning" });
  const remark = make("p", { class: "pl-muted" });
  const plot = slicePlot(desk);
  const empty = make("p", { class: "pl-hint" }, "No held-out text, so nobody can say whether a mix is better. Give it one: ", make("code", {}, "Mixer(mix, held_out=held_out)"));
  const words = make("div", { class: "pl-score-words" }, make("div", { class: "pl-score-head" }, headline, make("span", { class: "pl-judged" }, verdict, pin)), meaning, remark);
  const element = make("div", { class: "pl-score", role: "group", "aria-label": "Score on held-out text" }, words, plot.element, empty);
  life.listen(pin, "click", () => { desk.pin(); });

  const draw = (/** @type {Picture} */ { score: picture, silent, exact, temperature, desk: { score: source } }) => {
    const none = !source?.positions;
    attribute(empty, "hidden", !none);
    attribute(words, "hidden", none);
    attribute(plot.element, "hidden", none);
    attribute(words, "data-waiting", !picture && !silent);
    plot.reserve(source?.slices.length ?? 0, Boolean(picture));
    if (none) return;
    if (!picture) {
      write(headline, silent ? "nobody is speaking" : "");
      for (const node of [verdict, meaning, remark]) write(node, "");
      attribute(pin, "hidden", true);
      return;
    }
    attribute(pin, "hidden", false);
    switchOff(pin, picture.same);
    write(headline, picture.same ? `${signed(0)}` : `${signed(picture.change)} ± ${picture.half.toFixed(1)}`);
    write(verdict, judged(picture));
    write(meaning, `perplexity ${exact ? "=" : "≈"} ${figure(picture.perplexity)}${exact || Number(figure(picture.band, picture.perplexity)) === 0 ? "" : ` ± ${figure(picture.band, picture.perplexity)}`}: ${asUnsure(picture.perplexity)}`);
    const places = exact || desk.offline ? source.total : source.positions;
    write(remark, `${places.toLocaleString("en")} held-out words${temperature === 1 ? "" : ", at temperature 1"}`);
    plot.draw(picture, desk.dragging);
  };
  return { element, draw };
}

/** @param {ScorePicture} picture */
function judged({ same, change, half }) {
  if (same) return "this is the pinned mix";
  if (Math.abs(change) <= half) return "no clear difference from the pinned mix";
  return change < 0 ? "better than the pinned mix" : "worse than the pinned mix";
}

/** @param {number} value */
function asUnsure(value) {
  const count = Math.round(value);
  return count === 1 ? "as sure as can be" : `as unsure as a fair choice among ${count.toLocaleString("en")} words`;
}

/** @param {import("./desk.js").Desk} desk */
function slicePlot(desk) {
  const classes = new Map(desk.layers.map((layer, k) => [layer.name, layerClasses(desk.layers)[k]]));
  const rows = make("div", { class: "pl-slice-rows" });
  const ticks = Array.from({ length: TICKS }, () => make("span", { class: "pl-axis-tick" }));
  const element = make("div", { class: "pl-slices" }, rows, make("div", { class: "pl-axis", "aria-hidden": "true" }, make("div", { class: "pl-axis-field" }, ...ticks)));
  /** @type {ReturnType<typeof sliceRow>[]} */
  let made = [];
  let names = "";
  let low = Infinity;
  let high = 0;

  const draw = (/** @type {ScorePicture} */ { slices }, /** @type {boolean} */ dragging) => {
    const now = slices.map((slice) => slice.name).join("\n");
    if (now !== names) {
      names = now;
      made = slices.map((slice) => sliceRow(slice.name, classes.get(slice.name) ?? "pl-layer pl-layer-none"));
      rows.replaceChildren(...made.map((row) => row.element));
    }
    const values = slices.flatMap((slice) => [slice.now, slice.pinned]).filter((value) => Number.isFinite(value) && value > 0);
    const [least, most] = [Math.min(...values) / 1.12, Math.max(...values) * 1.12];
    low = dragging ? Math.min(low, least) : least;
    high = dragging ? Math.max(high, most) : most;
    const at = (/** @type {number} */ value) => Math.log(value / low) / Math.log(high / low);
    slices.forEach((slice, i) => made[i].draw(slice, at));
    const marks = roundFigures(low, high);
    ticks.forEach((tick, i) => {
      attribute(tick, "hidden", marks[i] === undefined);
      if (marks[i] === undefined) return;
      write(tick, String(marks[i]));
      style(tick, "left", `${(100 * at(marks[i])).toFixed(2)}%`);
    });
  };
  const reserve = (/** @type {number} */ count, /** @type {boolean} */ filled) => { // the same height before and after
    style(rows, "min-height", `${18 * count}px`);
    style(element, "visibility", filled ? "visible" : "hidden");
  };
  return { element, draw, reserve };
}

/** @param {string} name @param {string} look */
function sliceRow(name, look) {
  const path = make("span", { class: "pl-slice-path" });
  const then = make("span", { class: "pl-slice-pinned" });
  const now = make("span", { class: `pl-slice-now ${look}` });
  const figures = make("span", { class: "pl-slice-figures" });
  const element = make("div", { class: "pl-slice" }, make("span", { class: "pl-slice-name", title: name }, name), make("span", { class: "pl-slice-field" }, path, then, now), figures);
  const draw = (/** @type {{now: number, pinned: number}} */ slice, /** @type {(value: number) => number} */ at) => {
    const [from, to] = [at(slice.pinned), at(slice.now)].map((share) => Math.min(1, Math.max(0, share)) * 100);
    style(then, "left", `${from.toFixed(2)}%`);
    style(now, "left", `${to.toFixed(2)}%`);
    style(path, "left", `${Math.min(from, to).toFixed(2)}%`);
    style(path, "width", `${Math.abs(to - from).toFixed(2)}%`);
    write(figures, `${figure(slice.pinned)} → ${figure(slice.now)}`);
  };
  return { element, draw };
}

/** Round figures for a logarithmic axis: 1, 2, 5 of each decade, or decades where that is too many. @param {number} low @param {number} high @returns {number[]} */
function roundFigures(low, high) {
  const decades = Array.from({ length: 12 }, (_, i) => 10 ** i);
  const all = [[1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9], [1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map((heads) => decades.flatMap((ten) => heads.map((head) => Number((head * ten).toFixed(1)))).filter((value) => value >= low && value <= high));
  return all.find((marks) => marks.length <= TICKS) ?? [];
}
