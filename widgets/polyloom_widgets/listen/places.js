// @ts-check
/**
 * Places in two pieces by bars, what differs between them, and what votes say. No elements here.
 *
 * A place is a number of bars from the beginning: 2.5 is the middle of the third. Two pieces of other tempi are at the
 * same place at other seconds.
 */

/** @typedef {import("../base/sound.js").Heard} Heard */
/** @typedef {{from: number, to: number, pitch: number, drum: boolean}} Block places, and a pitch */
/** @typedef {{kind: string, x?: number, said: number}} Vote */

const COLUMNS = 5;
const GRID = 24; // steps of a bar that are told apart

/** Notes from the bytes that Python sends. @param {DataView} bytes @returns {Heard[]} */
export function notesOf(bytes) {
  const at = (/** @type {number} */ n, /** @type {number} */ column) => bytes.getFloat32(4 * (COLUMNS * n + column), true);
  return Array.from({ length: bytes.byteLength / (4 * COLUMNS) }, (_, n) => ({ start: at(n, 0), length: at(n, 1), pitch: at(n, 2), velocity: at(n, 3), drum: at(n, 4) > 0 }));
}

/** The place of a second, given the seconds at which bars begin. @param {number[]} bars @param {number} second */
export function placeOf(bars, second) {
  let [n, above] = [0, bars.length - 1]; // the bar that began last: bars[n] <= second < bars[above]
  while (above - n > 1) {
    const middle = (n + above) >> 1;
    if (bars[middle] <= second) n = middle;
    else above = middle;
  }
  return n + (second - bars[n]) / (bars[n + 1] - bars[n] || 1);
}

/** The second of a place; places beyond the last bar are its end. @param {number[]} bars @param {number} place */
export function secondOf(bars, place) {
  const n = Math.min(Math.max(0, Math.floor(place)), bars.length - 2);
  return bars[n] + Math.min(1, Math.max(0, place - n)) * (bars[n + 1] - bars[n]);
}

/** What is in both, in the first alone, in the second alone: notes that begin at one place with one pitch are the same, percussion apart. @param {Heard[][]} notes of two pieces @param {number[][]} bars @returns {{both: Block[], alone: Block[][]}} */
export function difference(notes, bars) {
  const blocks = notes.map((piece, side) => piece.map(({ start, length, pitch, drum }) => ({ from: placeOf(bars[side], start), to: placeOf(bars[side], start + length), pitch, drum })));
  const key = (/** @type {Block} */ block) => `${Math.round(block.from * GRID)} ${block.pitch} ${block.drum}`;
  const known = blocks.map((piece) => new Set(piece.map(key)));
  return {
    both: blocks[0].filter((block) => known[1].has(key(block))),
    alone: [0, 1].map((side) => blocks[side].filter((block) => !known[1 - side].has(key(block)))),
  };
}

/** Of A/B/X: right answers, all, and the p of as many by chance. @param {Vote[]} votes */
export function toldApart(votes) {
  const heard = votes.filter((vote) => vote.kind === "abx");
  const count = heard.filter((vote) => vote.x === vote.said).length;
  return { count, total: heard.length, p: atLeast(count, heard.length) };
}

/** Of preferences: votes for the second, all, and the p of a lean as strong by chance. @param {Vote[]} votes */
export function liked(votes) {
  const heard = votes.filter((vote) => vote.kind === "prefer");
  const count = heard.filter((vote) => vote.said === 1).length;
  const most = Math.max(count, heard.length - count);
  return { count, total: heard.length, p: Math.min(1, 2 * atLeast(most, heard.length)) };
}

/** The probability that a fair coin shows heads so often or more. @param {number} right @param {number} total */
export function atLeast(right, total) {
  let [sum, term] = [0, 0.5 ** total]; // of n = total heads, then one fewer each time
  for (let n = total; n >= right; n -= 1) { sum += term; term *= n / (total - n + 1); }
  return sum;
}
