// @ts-check
/**
 * The state of one roll, read from the model: its notes as arrays, what is chosen, and how a hand changes it.
 *
 * Notes are decoded once for each version. They are sorted by their beginning; `latest[n]` is the last end of the first n
 * notes and one more, so that what can be seen is found by halving. Python is told and asked here and nowhere else.
 */

/**
 * @typedef {object} Notes
 * @property {number} count @property {Float64Array} start @property {Float64Array} end @property {Float64Array} latest
 * @property {Int32Array} pitch @property {Int32Array} velocity @property {Int32Array} drum @property {Int32Array} part
 * @property {Int32Array} voice @property {Int32Array} percent @property {Int32Array} step @property {Int32Array} hand
 */
/** @typedef {{p: number, bits: number, shares: Record<string, number>, others: [string, number, number][]}} Reason */

const COLUMNS = 8;
const MOVED = 2; // of `hand`: the model has not gone on from there

export class Music {
  /** @param {any} model @param {import("../base/ask.js").Questions} questions @param {() => void} redraw */
  constructor(model, questions, redraw) {
    this.model = model;
    this.questions = questions;
    this.redraw = redraw;
    this.hover = -1; // the note that a hand points at
    /** @type {[number, number] | null} */
    this.draft = null; // the loop under a hand
    this.lifted = -1; // the pitch to which a hand carries the chosen note, until Python has moved it
    this.asked = -1; // the pitch that Python was asked for
    this.writing = false;
    this.failure = "";
    /** @type {Map<number, Reason>} */
    this.told = new Map();
    /** @type {[unknown, unknown, Notes] | null} */
    this.decoded = null;
  }

  /** @returns {Notes} */
  get notes() {
    const [times, facts] = [this.model.get("times"), this.model.get("facts")];
    if (!this.decoded || this.decoded[0] !== times || this.decoded[1] !== facts) {
      const found = decodedNotes(times, facts);
      if (found) { this.decoded = [times, facts, found]; this.told.clear(); this.hover = -1; }
    }
    return this.decoded?.[2] ?? NOTHING;
  }

  /** @returns {string[]} */
  get parts() { return this.model.get("parts") ?? []; }
  /** @returns {string[]} */
  get voices() { return this.model.get("voices") ?? []; }
  /** @returns {number[][]} */
  get tempi() { return this.model.get("tempi") ?? [[0, 0, 0.5]]; }
  /** @returns {number[][]} */
  get metres() { return this.model.get("metres") ?? [[0, 4, 1, 0]]; }
  /** @returns {number} */
  get zoom() { return this.model.get("zoom") ?? 32; }
  /** The chosen note. @returns {number} */
  get note() { return Math.min(this.model.get("note") ?? -1, this.notes.count - 1); }
  /** The note that is looked at: under the hand, or chosen. */
  get looked() { return this.hover >= 0 && this.hover < this.notes.count ? this.hover : this.note; }
  /** @returns {[number, number] | null} */
  get loop() { return this.draft ?? (this.model.get("loop")?.length === 2 ? this.model.get("loop") : null); }
  /** @returns {number[]} */
  get muted() { return this.model.get("muted") ?? []; }
  /** @returns {number[]} */
  get soloed() { return this.model.get("soloed") ?? []; }
  /** @returns {number} */
  get version() { return this.model.get("version") ?? 0; }
  /** @returns {number} */
  get versions() { return this.model.get("versions") ?? 1; }
  get offline() { return Boolean(this.model.get("offline")); }
  get length() { const { latest, count } = this.notes; return count ? latest[count - 1] : 0; }

  /** Names of what colours tell apart: the layers that chose notes, or the parts. */
  get names() { return this.voices.length ? this.voices : this.parts; }
  /** Which of the names a note belongs to, −1 for none. @param {number} note */
  kind(note) { return this.voices.length ? this.notes.voice[note] : this.notes.part[note]; }
  /** The pitch of the chosen note, as it is drawn. */
  get carried() { return this.lifted >= 0 ? this.lifted : this.notes.pitch[this.note]; }
  /** Whether a part is heard. @param {number} part */
  sounds(part) { return this.soloed.length ? this.soloed.includes(part) : !this.muted.includes(part); }
  /** Whether a hand may move a note. @param {number} note */
  movable(note) { return !this.offline && !this.writing && note >= 0 && (!this.voices.length || this.notes.step[note] >= 0); }
  /** Whether a model can go on from a note. @param {number} note */
  continuable(note) { return !this.offline && this.asked < 0 && Boolean(this.model.get("goes_on")) && note >= 0 && this.notes.step[note] >= 0; }
  /** The first step that a hand changed and the model has not gone on from. */
  get parted() {
    const { hand, step } = this.notes;
    return hand.reduce((least, put, n) => (put === MOVED ? Math.min(least, step[n]) : least), Infinity);
  }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  set(traits) {
    this.failure = "";
    this.questions.report(traits);
  }

  /** Why a note is there; asked for where it is not known. @param {number} note @returns {Reason | null} */
  reason(note) {
    const step = this.notes.step[note];
    if (!(step >= 0) || this.notes.hand[note] === MOVED) return null;
    if (this.offline) return this.model.get("reasons")?.[String(step)] ?? null;
    const known = this.told.get(step);
    if (!known) this.questions.ask("reason", { step }, (answer) => { if (answer.reason) this.told.set(answer.step, answer.reason); });
    return known ?? null;
  }

  /** Another pitch for the chosen note. While Python moves it, only the last pitch that a hand wants is kept. @param {number} note @param {number} pitch */
  move(note, pitch) {
    if (!this.movable(note) || pitch < 0 || pitch > 127) return;
    this.lifted = pitch;
    this.redraw();
    if (this.asked >= 0) return;
    if (pitch === this.notes.pitch[note]) { this.lifted = -1; return; }
    this.failure = "";
    this.asked = pitch;
    this.questions.ask("move", { note, pitch }, (answer) => {
      const [had, wanted] = [this.asked, this.lifted];
      this.asked = this.lifted = -1;
      this.failure = answer.error ?? "";
      if (!answer.error && wanted >= 0 && wanted !== had) this.move(this.note, wanted);
    });
  }

  /** Let the model go on from a note until it is done or stopped. @param {number} note */
  goOn(note) {
    this.writing = true;
    this.failure = "";
    const heard = (/** @type {any} */ answer) => {
      this.failure = answer.error ?? "";
      if (answer.error || !answer.goes_on || !this.writing) { this.writing = false; return; }
      this.questions.ask("more", {}, heard);
    };
    this.questions.ask("go_on", { note }, heard);
    this.redraw();
  }

  stop() {
    this.writing = false;
    this.redraw();
  }

  /** The notes that sound between two beats: the first of them, and the one after the last. @param {number} from @param {number} to @returns {[number, number]} */
  between(from, to) {
    const { latest, start, count } = this.notes;
    return [halved(count, (n) => latest[n] > from), halved(count, (n) => start[n] >= to)];
  }
}

/** The first of so many for which something holds that holds for all after it. @param {number} count @param {(n: number) => boolean} holds */
function halved(count, holds) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {number} count @returns {Notes} */
function emptyNotes(count) {
  const whole = () => new Int32Array(count);
  const real = () => new Float64Array(count);
  return { count, start: real(), end: real(), latest: real(), pitch: whole(), velocity: whole(), drum: whole(), part: whole(), voice: whole(), percent: whole(), step: whole(), hand: whole() };
}

const NOTHING = emptyNotes(0);

/** Null while the arrays are of two versions. @param {DataView | undefined} times @param {DataView | undefined} facts @returns {Notes | null} */
function decodedNotes(times, facts) {
  if (!times || !facts) return null;
  const beats = new Float64Array(copied(times));
  const rows = new Int32Array(copied(facts));
  const found = emptyNotes(beats.length / 2);
  if (rows.length !== COLUMNS * found.count) return null;
  const columns = [found.pitch, found.velocity, found.drum, found.part, found.voice, found.percent, found.step, found.hand];
  let last = 0;
  for (let n = 0; n < found.count; n += 1) {
    found.start[n] = beats[2 * n];
    found.end[n] = beats[2 * n + 1];
    found.latest[n] = last = Math.max(last, found.end[n]);
    for (let k = 0; k < COLUMNS; k += 1) columns[k][n] = rows[COLUMNS * n + k];
  }
  return found;
}

/** Bytes that begin where arrays may. @param {DataView} view @returns {ArrayBuffer} */
function copied(view) {
  return /** @type {ArrayBuffer} */ (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
