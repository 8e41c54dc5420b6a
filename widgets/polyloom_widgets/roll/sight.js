// @ts-check
/**
 * The window onto the roll: which beats and pitches can be seen, and where they stand.
 *
 *     x(beat) = KEYS + zoom · beat − left        y(pitch) = RULER + row · (high − pitch) − top        in pixels
 *
 * Keys and ruler stay where they are; what scrolls is behind them.
 */

/** @typedef {import("./music.js").Music} Music */

export const KEYS = 46; // pixels of the keys at the left
export const RULER = 24; // pixels of the ruler on top
export const TALL = 360; // pixels of the field
export const ZOOMS = [0.05, 1000]; // pixels a beat; Python says so too
const LEAST_ROWS = 25;
const EDGE = 2; // rows beyond the last notes
const ROW = [10, 18]; // pixels of a pitch
const BEGINNING = 40; // notes that are seen at first
const WIDEST = 3e7; // pixels that a browser can scroll through
const TAIL = 0.5; // beats after the last note

export class Sight {
  /** @param {Music} music */
  constructor(music) {
    this.music = music;
    this.width = 0;
    this.height = TALL;
    this.left = 0;
    this.top = 0;
    this.low = this.high = 0;
    this.row = ROW[1];
  }

  /** Fit the rows to the pitches that there are; what could be seen before stays in sight. @returns {number} pixels by which the rows went down */
  measure() {
    const { pitch, count } = this.music.notes;
    const known = this.high > this.low;
    let [low, high] = known ? [this.low, this.high] : count ? [127, 0] : [60, 60];
    for (let n = 0; n < count; n += 1) { low = Math.min(low, pitch[n] - EDGE); high = Math.max(high, pitch[n] + EDGE); }
    const more = Math.max(0, LEAST_ROWS - (high - low + 1));
    const before = this.high;
    this.low = Math.max(0, low - Math.floor(more / 2));
    this.high = Math.min(127, high + Math.ceil(more / 2));
    this.row = Math.max(ROW[0], Math.min(ROW[1], Math.floor((TALL - RULER - 2) / (this.high - this.low + 1))));
    return known ? this.row * (this.high - before) : 0;
  }

  /** How far down the first notes stand. */
  get first() {
    const { pitch, count } = this.music.notes;
    const some = pitch.subarray(0, Math.min(count, BEGINNING));
    const middle = some.reduce((sum, one) => sum + one, 0) / Math.max(1, some.length);
    return Math.max(0, this.row * (this.high - middle) - (this.height - RULER) / 2);
  }

  get zoom() { return Math.min(this.music.zoom, WIDEST / (this.music.length + TAIL)); }
  /** Pixels of all that there is. */
  get whole() { return { width: KEYS + this.zoom * (this.music.length + TAIL), height: RULER + this.row * (this.high - this.low + 1) }; }
  /** The beats that can be seen. @returns {[number, number]} */
  get beats() { return [this.left / this.zoom, (this.left + this.width - KEYS) / this.zoom]; }
  /** The zoom at which all of it can be seen. */
  get fitting() { return bounded((this.width - KEYS) / Math.max(1, this.music.length + TAIL)); }

  /** @param {number} beat */
  x(beat) { return KEYS + this.zoom * beat - this.left; }
  /** The upper edge of a pitch. @param {number} pitch */
  y(pitch) { return RULER + this.row * (this.high - pitch) - this.top; }
  /** @param {number} x */
  beatAtX(x) { return Math.max(0, (x - KEYS + this.left) / this.zoom); }
  /** @param {number} y */
  pitchAtY(y) { return this.high - Math.floor((y - RULER + this.top) / this.row); }

  /** The note at a place, the last drawn of several, −1 for none. @param {number} x @param {number} y */
  noteAt(x, y) {
    if (x < KEYS || y < RULER) return -1;
    const [beat, pitch] = [this.beatAtX(x), this.pitchAtY(y)];
    const slack = 2 / this.zoom; // short notes can be taken too
    const { notes } = this.music;
    const [first, after] = this.music.between(beat - slack, beat + slack);
    for (let n = after - 1; n >= first; n -= 1) if (notes.pitch[n] === pitch && notes.end[n] > beat - slack) return n;
    return -1;
  }
}

/** A zoom within its limits. @param {number} zoom */
export function bounded(zoom) {
  return Math.min(ZOOMS[1], Math.max(ZOOMS[0], zoom));
}
