// @ts-check
/**
 * Axes: from figures to pixels, and the round figures that stand beside them.
 *
 * Losses stand on a logarithmic axis, where the slow gains of the end are as visible as the fast ones of the beginning.
 */

const HEADS = [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
const ROOM = 1.04; // how far the axis goes beyond the figures

/** @typedef {{low: number, high: number, at: (value: number) => number, ticks: number[]}} Scale */

/**
 * A logarithmic axis for positive figures; `at` gives 0 at its low end and 1 at its high end.
 * @param {number[]} values @param {number} most how many ticks fit @returns {Scale | null} null where there is no figure
 */
export function logScale(values, most) {
  const good = values.filter((value) => Number.isFinite(value) && value > 0);
  if (!good.length) return null;
  const low = good.reduce((a, b) => Math.min(a, b)) / ROOM;
  const high = good.reduce((a, b) => Math.max(a, b)) * ROOM;
  const at = (/** @type {number} */ value) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
  const few = high / low < 2 ? evenTicks(low, high, most) : roundTicks(low, high, most);
  return { low, high, at, ticks: few };
}

/** A linear axis from 0. @param {number[]} values @returns {Scale | null} */
export function linearScale(values) {
  const good = values.filter(Number.isFinite);
  if (!good.length) return null;
  const high = good.reduce((a, b) => Math.max(a, b), 0) * ROOM || 1;
  return { low: 0, high, at: (value) => value / high, ticks: evenTicks(0, high, 3) };
}

/** 1, 2, 5 of each decade, or fewer, or more. @param {number} low @param {number} high @param {number} most */
function roundTicks(low, high, most) {
  const first = Math.floor(Math.log10(low));
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => 10 ** (first + i));
  const sets = HEADS.map((heads) => decades.flatMap((ten) => heads.map((head) => Number((head * ten).toPrecision(6)))).filter((tick) => tick >= low && tick <= high));
  const coarse = sets[sets.length - 1];
  return sets.find((ticks) => ticks.length <= most) ?? coarse.filter((_, i) => i % Math.ceil(coarse.length / most) === 0);
}

/** Multiples of a round step. @param {number} low @param {number} high @param {number} most */
export function evenTicks(low, high, most) {
  const least = (high - low) / most;
  const ten = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((head) => head * ten).find((one) => one >= least) ?? least;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/**
 * Where the axis of the steps ends: at the last step of the training once a tenth of it is done, before that at a round
 * figure, so that there is something to see.
 * @param {{step: number, steps: number | null} | null} status
 */
export function lastStep(status) {
  const step = Math.max(1, status?.step ?? 1);
  const steps = status?.steps ?? step;
  if (10 * step >= steps) return Math.max(step, steps);
  const ten = 10 ** Math.floor(Math.log10(step));
  return Math.min(steps, [1, 2, 5, 10].map((head) => head * ten).find((round) => round >= step) ?? steps);
}

/** The points of a line as an SVG path; where a figure is missing the line is broken. @param {[number, number][]} points */
export function path(points) {
  let pen = false;
  return points.map(([x, y]) => {
    const good = Number.isFinite(x) && Number.isFinite(y);
    const letter = good ? (pen ? "L" : "M") : "";
    pen = good;
    return good ? `${letter}${x.toFixed(1)} ${y.toFixed(1)}` : "";
  }).join("");
}
