// @ts-check
/**
 * What Python sent, as figures: the traits of the view decoded once for each change, and how they are written.
 */

/** @typedef {{step: number, steps: number | null, share: number, loss: number | null, validation: number | null, best: number | null, rate: number, tokens: number, tokens_per_second: number, seconds: number, left: number | null, stopped: string | null}} Status */
/** @typedef {{step: number, loss: number, rate: number, pace: number}} Point a stretch of steps; the loss is its mean */
/** @typedef {{step: number, loss: number, busiest: number}} Mark an evaluation; busiest is NaN without experts */
/** @typedef {{status: Status | null, points: Point[], marks: Mark[], samples: {step: number, text: string}[], load: number[][], offline: boolean}} Figures */

const STOPPED = new Map([
  ["steps", "all steps done"], ["minutes", "its minutes are over"], ["patience", "it got no better"], ["interrupted", "stopped by hand"],
]);

/** @param {any} model @returns {Figures} */
export function read(model) {
  const status = model.get("status") ?? {};
  return {
    status: status.step === undefined ? null : status,
    points: rows(model.get("curve"), 4).map(([step, loss, rate, pace]) => ({ step, loss, rate, pace })),
    marks: rows(model.get("marks"), 3).map(([step, loss, busiest]) => ({ step, loss, busiest })),
    samples: model.get("samples") ?? [],
    load: model.get("load") ?? [],
    offline: Boolean(model.get("offline")),
  };
}

/** Little-endian float32, one row after the other. @param {DataView | null | undefined} bytes @param {number} columns @returns {number[][]} */
function rows(bytes, columns) {
  const count = bytes ? Math.floor(bytes.byteLength / (4 * columns)) : 0;
  return Array.from({ length: count }, (_, row) => Array.from({ length: columns }, (_, i) => /** @type {DataView} */ (bytes).getFloat32(4 * (row * columns + i), true)));
}

/** 1,234 @param {number} value */
export function whole(value) {
  return Math.round(value).toLocaleString("en");
}

/** A loss in nats: 2.431 @param {number | null | undefined} value */
export function nats(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(3);
}

/** Seconds as 0:07 or 2:03:00 @param {number} seconds */
export function clock(seconds) {
  const all = Math.round(seconds);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

/** Where the training is, in words. @param {Status} status */
export function standing(status) {
  const of = status.steps ? ` of ${whole(status.steps)}` : "";
  return `step ${whole(status.step)}${of}`;
}

/** Why it ended. @param {string} stopped */
export function ending(stopped) {
  return STOPPED.get(stopped) ?? stopped;
}
