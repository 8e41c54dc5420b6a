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
  let [low, high] = [0, entries.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (entries[middle][column] <= place + NEAR) low = middle;
    else high = middle - 1;
  }
  return entries[low];
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

/** The beats at which bars begin that can be divided by `every`, between two beats. @param {number[][]} metres @param {number} from @param {number} to @param {number} [every] @returns {{beat: number, bar: number}[]} */
export function barsBetween(metres, from, to, every = 1) {
  return spans(metres, from, to).flatMap(({ start, stop, length, number }) => {
    const found = [];
    const first = Math.max(0, Math.ceil((from - start) / length - NEAR));
    for (let k = first + ((-(number + first) % every) + every) % every; start + k * length < stop - NEAR; k += every) found.push({ beat: start + k * length, bar: number + k + 1 });
    return found;
  });
}

/** The beats that are counted between two places, bars too. @param {number[][]} metres @param {number} from @param {number} to @returns {number[]} */
export function beatsBetween(metres, from, to) {
  return spans(metres, from, to).flatMap(({ start, stop, counted }) => {
    const found = [];
    for (let k = Math.max(0, Math.ceil((from - start) / counted - NEAR)); start + k * counted < stop - NEAR; k += 1) found.push(start + k * counted);
    return found;
  });
}

/** The stretches of one metre that reach between two places. @param {number[][]} metres @param {number} from @param {number} to */
function spans(metres, from, to) {
  const all = metres.map(([start, length, counted, number], n) => ({ start, length, counted, number, stop: Math.min(to, metres[n + 1]?.[0] ?? Infinity) }));
  return all.filter((one) => one.start < to && one.stop > from);
}

/** 1:05 @param {number} seconds */
export function minutes(seconds) {
  const whole = Math.floor(seconds + NEAR);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
