// @ts-check
/**
 * Beats as seconds and back, and where bars and beats begin: the maps of tempo and metre that Python sends.
 *
 *     tempi     [beat, seconds, seconds a beat]: from that beat on
 *     metres    [beat, beats of a bar, beats that are counted as one, number of the bar], bars from 0
 */

const NEAR = 1e-6; // beats that rounding may be off

/** The last entry that begins at a place or before it. @param {number[][]} entries @param {number} place @param {number} [column] */
function holding(entries, place, column = 0) {
  let found = entries[0];
  for (const entry of entries) if (entry[column] <= place + NEAR) found = entry;
  return found;
}

/** @param {number[][]} tempi @param {number} beat */
export function secondsAt(tempi, beat) {
  const [start, seconds, each] = holding(tempi, beat);
  return seconds + (beat - start) * each;
}

/** @param {number[][]} tempi @param {number} seconds */
export function beatAt(tempi, seconds) {
  const [beat, start, each] = holding(tempi, seconds, 1);
  return beat + (seconds - start) / each;
}

/** The bar in which a beat lies and its place there, both as musicians count, from 1. @param {number[][]} metres @param {number} beat */
export function placeOf(metres, beat) {
  const [start, length, counted, number] = holding(metres, beat);
  const bars = Math.floor((beat - start + NEAR) / length);
  return { bar: number + bars + 1, beat: Math.max(0, beat - start - bars * length) / counted + 1, from: start + bars * length, to: start + (bars + 1) * length };
}

/** The lines between two beats, of bars and of what is counted; a beat's `bar` is 0. @param {number[][]} metres @param {number} from @param {number} to @param {boolean} counts @returns {{beat: number, bar: number}[]} */
export function linesOf(metres, from, to, counts) {
  const found = [];
  for (let n = 0; n < metres.length; n += 1) {
    const [start, length, counted, number] = metres[n];
    const stop = Math.min(to, metres[n + 1]?.[0] ?? Infinity);
    const step = counts ? counted : length;
    const first = Math.max(0, Math.floor((from - start) / step));
    for (let k = first; start + k * step < stop - NEAR; k += 1) {
      const beat = start + k * step;
      const bars = (k * step) / length;
      found.push({ beat, bar: Math.abs(bars - Math.round(bars)) < NEAR ? number + Math.round(bars) + 1 : 0 });
    }
  }
  return found.filter((line) => line.beat >= from - NEAR);
}

/** 1:05 @param {number} seconds */
export function minutes(seconds) {
  const whole = Math.floor(seconds + NEAR);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
