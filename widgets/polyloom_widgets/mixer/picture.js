// @ts-check
/**
 * One picture of the desk: every figure that is drawn, from one step, with the word whether it is exact.
 *
 * While a hand moves, the figures come from the float32 arrays in the page (`≈`). As soon as Python's float64 figures are
 * those of the mix that is shown, they are drawn instead (`=`). A page without Python is exact where it holds every position.
 */
import { best, bound, comparison, effective, logMixed, mixed, perplexity, sameNumbers, sampledHalf, sharesOf, tempered } from "./mixing.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {{token: number, piece: string, p: number, parts: number[], pinned: number, tempered: number | null, actual: boolean, rank: string}} Row */
/** @typedef {{rows: Row[], eleventh: Row | null, sure: boolean}} BarPicture */
/** @typedef {{perplexity: number, change: number, half: number, band: number, same: boolean, slices: {name: string, now: number, pinned: number}[]}} ScorePicture */
/** @typedef {{desk: Desk, step: import("./mixing.js").Step, weights: number[], shares: number[], silent: boolean, exact: boolean,
 *    temperature: number, bars: BarPicture | null, score: ScorePicture | null, places: number}} Picture */

export const ROWS = 10; // words that have a row of their own

/** Decoded arrays and the pinned mix's logarithms are kept until their source changes. */
export class Painter {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.barRows = remember(floats);
    this.scoreRows = remember(floats);
    this.blocks = remember(integers);
    this.pinnedLogs = remember((/** @type {Float32Array} */ rows, /** @type {number[]} */ pinned) => logMixed(rows, sharesOf(pinned)));
  }

  /** @returns {Picture} */
  look() {
    const { desk } = this;
    const step = desk.step;
    const weights = effective(step);
    const shares = sharesOf(weights);
    const silent = !weights.some((weight) => weight > 0);
    const exact = desk.exact;
    const { temperature } = desk.sampling;
    const bars = this.lookAtBars(shares, exact, temperature);
    const score = silent ? null : this.lookAtScore(shares, exact);
    const full = !desk.score?.positions || desk.score.positions === desk.score.total;
    return {
      desk, step, weights, shares, silent, temperature, bars, score, places: desk.score?.places ?? 0,
      exact: exact !== null || (desk.offline && full && (bars?.sure ?? true)),
    };
  }

  /** @param {number[]} shares @param {import("./desk.js").Exact | null} exact @param {number} temperature @returns {BarPicture | null} */
  lookAtBars(shares, exact, temperature) {
    const { bars, model, pinnedShares } = this.desk;
    const rows = this.barRows(model.get("bars_p"));
    const count = bars?.tokens.length ?? 0;
    if (!bars || !count || rows.length !== count * shares.length) return null;
    const values = mixed(rows, shares);
    const pinned = mixed(rows, pinnedShares);
    const most = bound(bars.rest, shares);
    const hot = temperature === 1 ? null : tempered(values, most, temperature);
    const given = new Map(exact?.bars.map((bar) => [bars.tokens.indexOf(bar.token), bar]));
    const row = (/** @type {number} */ i) => ({
      token: bars.tokens[i], piece: bars.pieces[i], p: given.get(i)?.p ?? values[i], pinned: pinned[i], tempered: hot && hot[i],
      parts: given.get(i)?.parts ?? shares.map((share, k) => share * rows[k * count + i]), actual: i === bars.actual, rank: "",
    });
    const order = best(Float64Array.from(values, (value, i) => given.get(i)?.p ?? value), count);
    const top = order.slice(0, ROWS);
    const sure = count > 0 && values[top[top.length - 1]] >= most;
    return { rows: top.map(row), eleventh: this.eleventh(order, row, exact, values[bars.actual] >= most), sure };
  }

  /** The actual next word, where it is not among the first ten. @param {number[]} order @param {(i: number) => Row} row @param {import("./desk.js").Exact | null} exact @param {boolean} sure @returns {Row | null} */
  eleventh(order, row, exact, sure) {
    const { actual, actual_piece: piece } = /** @type {import("./desk.js").Bars} */ (this.desk.bars);
    const place = order.indexOf(actual);
    if (piece === null || (place >= 0 && place < ROWS)) return null;
    const known = exact?.actual_rank ?? null;
    if (place < 0) return { token: -1, piece, p: NaN, parts: [], pinned: NaN, tempered: null, actual: true, rank: known ? ordinal(known) : "not among the words listed" };
    return { ...row(actual), rank: known ? ordinal(known) : `${sure ? "" : "≈ "}${ordinal(place + 1)}` };
  }

  /** @param {number[]} shares @param {import("./desk.js").Exact | null} exact @returns {ScorePicture | null} */
  lookAtScore(shares, exact) {
    const { score, model, pinned, pinnedShares } = this.desk;
    const rows = this.scoreRows(model.get("score_p"));
    const blocks = this.blocks(model.get("score_blocks"));
    if (!score?.positions || rows.length !== score.positions * shares.length || blocks.length !== score.positions) return null;
    const same = sameNumbers(shares, pinnedShares);
    if (exact) return { perplexity: exact.perplexity, change: same ? 0 : exact.change, half: same ? 0 : exact.half, band: 0, same, slices: exact.slices };
    const then = this.pinnedLogs(rows, pinned);
    const now = same ? then : logMixed(rows, shares);
    return {
      perplexity: perplexity(now), ...comparison(now, then, blocks), band: sampledHalf(now, blocks, score.total), same,
      slices: score.slices.map(({ name, start, stop }) => ({ name, now: perplexity(now, start, stop), pinned: perplexity(then, start, stop) })),
    };
  }
}

/** 1st, 2nd, 3rd, 11th. @param {number} rank */
function ordinal(rank) {
  const ending = Math.floor(rank / 10) % 10 === 1 ? "th" : ["th", "st", "nd", "rd"][rank % 10] ?? "th";
  return `${rank}${ending}`;
}

/** The bytes of a trait, aligned. A kernel sends a DataView, an exported page too. @param {unknown} value @returns {ArrayBuffer} */
function bytes(value) {
  if (value instanceof ArrayBuffer) return value.slice(0, value.byteLength & ~3);
  if (!ArrayBuffer.isView(value)) return new ArrayBuffer(0);
  return /** @type {ArrayBuffer} */ (value.buffer.slice(value.byteOffset, value.byteOffset + (value.byteLength & ~3)));
}

/** @param {unknown} value @returns {Float32Array} */
function floats(value) { return new Float32Array(bytes(value)); }

/** @param {unknown} value @returns {Int32Array} */
function integers(value) { return new Int32Array(bytes(value)); }

/** A function that answers from memory while its arguments are the same objects. @template {any[]} A @template R @param {(...values: A) => R} work @returns {(...values: A) => R} */
function remember(work) {
  /** @type {A | null} */
  let last = null;
  /** @type {R} */
  let out;
  return (...values) => {
    if (!last || values.some((value, i) => value !== /** @type {A} */ (last)[i])) {
      out = work(...values);
      last = values;
    }
    return out;
  };
}
