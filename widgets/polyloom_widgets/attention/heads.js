// @ts-check
/**
 * What the view knows of the readings, read from the model's traits, and the pictures of heads it was given or asked for.
 *
 * A picture is a byte a cell, rows of queries: share = (byte / 255)². Its name is a list such as ["head", layer, head].
 * The pictures that came along are in `stored_p`, one after the other; the others are asked for when they are looked at,
 * and kept, the oldest forgotten first.
 */

/** @typedef {{name: string, queries: string[], keys: string[], layers: number[], heads: number, itself: boolean}} Reading */
/** @typedef {(string | number)[]} Key */
/** @typedef {{of: string, cells: Uint8Array}} Asked */

const KEPT_BYTES = 64_000_000; // of pictures that were asked for
const FIGURES = 3; // of each head: entropy, distance, the first token's share
const THUMB_SIDE = 24;

/** @param {any} view a DataView, or nothing yet @returns {Uint8Array} */
function bytesOf(view) {
  return view?.buffer ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array();
}

export class Heads {
  /** @param {any} model @param {import("../base/ask.js").Questions} questions */
  constructor(model, questions) {
    this.model = model;
    this.questions = questions;
    /** @type {Map<string, Uint8Array>} what was asked for */
    this.kept = new Map();
    /** @type {Map<string, Uint8Array>} what came along, cut out once: a picture stays the same object */
    this.cut = new Map();
    this.waiting = "";
    this.failure = "";
  }

  /** @returns {Reading[]} */
  get readings() { return this.model.get("readings") ?? []; }
  /** @returns {number} */
  get at() { return Math.min(this.model.get("reading") ?? 0, this.readings.length - 1); }
  get reading() { return this.readings[this.at]; }
  /** @returns {Key} */
  get chosen() { return this.model.get("chosen") ?? ["all"]; }
  /** @returns {[number, number][]} */
  get silenced() { return this.model.get("ablated") ?? []; }
  get offline() { return Boolean(this.model.get("offline")); }
  get comparing() { return Boolean(this.model.get("compare")) && this.readings.length > 1; }
  /** @returns {number} the pinned query, -1 for none */
  get token() { return this.model.get("token") ?? -1; }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  set(traits) {
    this.questions.report(traits);
  }

  /** Entropy, distance and first token's share of a head of the present reading. @param {number} layer its place @param {number} head */
  figures(layer, head) {
    const before = this.readings.slice(0, this.at).reduce((sum, one) => sum + one.layers.length * one.heads, 0);
    const view = this.model.get("figures");
    const start = FIGURES * (before + layer * this.reading.heads + head);
    const found = Array.from({ length: FIGURES }, (_, n) => (view?.byteLength >= 4 * (start + n + 1) ? view.getFloat32(4 * (start + n), true) : 0));
    return { entropy: found[0], distance: found[1], first: found[2] };
  }

  /** The small picture of a head. @param {number} layer its place @param {number} head @returns {{rows: number, columns: number, cells: Uint8Array}} */
  thumb(layer, head) {
    const side = (/** @type {Reading} */ one) => [Math.min(one.queries.length, THUMB_SIDE), Math.min(one.keys.length, THUMB_SIDE)];
    const before = this.readings.slice(0, this.at).reduce((sum, one) => sum + one.layers.length * one.heads * side(one)[0] * side(one)[1], 0);
    const [rows, columns] = side(this.reading);
    const start = before + (layer * this.reading.heads + head) * rows * columns;
    return { rows, columns, cells: bytesOf(this.model.get("thumbs")).subarray(start, start + rows * columns) };
  }

  /** Forget what was asked for: the text is another one. */
  forget() {
    this.kept.clear();
    this.cut.clear();
    this.waiting = "";
    this.failure = "";
  }

  /** The cells of a picture of a reading, or null: not here yet. @param {number} at @param {Key} key @returns {Uint8Array | null} */
  cells(at, key) {
    const name = JSON.stringify([at, ...key]);
    const one = this.readings[at];
    const size = one.queries.length * one.keys.length;
    const found = this.kept.get(name) ?? this.cut.get(name) ?? this.carried(name);
    if (found?.length === size) return found;
    if (this.offline) this.failure = "This page carries the pictures of other heads, not of this one.";
    else if (this.waiting !== name) this.fetch(at, key, name);
    return null;
  }

  /** @param {string} name @returns {Uint8Array | undefined} */
  carried(name) {
    let start = 0;
    for (const key of this.model.get("stored") ?? []) {
      const one = this.readings[key[0]];
      const size = one ? one.queries.length * one.keys.length : 0;
      if (JSON.stringify(key) === name) {
        const found = bytesOf(this.model.get("stored_p")).subarray(start, start + size);
        if (found.length === size) this.cut.set(name, found);
        return found;
      }
      start += size;
    }
    return undefined;
  }

  /** @param {number} at @param {Key} key @param {string} name */
  fetch(at, key, name) {
    this.waiting = name;
    this.questions.ask("picture", { reading: at, of: key }, (answer, buffers) => {
      this.waiting = "";
      this.failure = answer.error ?? "";
      if (answer.error) return;
      this.kept.set(name, bytesOf(buffers[0]));
      let held = [...this.kept.values()].reduce((sum, cells) => sum + cells.length, 0);
      for (const [old, cells] of this.kept) {
        if (held <= KEPT_BYTES || old === name) break;
        this.kept.delete(old);
        held -= cells.length;
      }
    });
  }
}

/** What a picture is called. @param {Key} key @param {[number, number][]} [silenced] */
export function keyName(key, silenced = []) {
  if (key[0] === "head") return `layer ${key[1]}, head ${key[2]}${silenced.some(([layer, head]) => layer === key[1] && head === key[2]) ? " (silenced)" : ""}`;
  if (key[0] === "heads") return `layer ${key[1]}, mean of heads ${key.slice(2).join(", ")}`;
  if (key[0] === "layer") return `layer ${key[1]}, mean of its heads`;
  return key[0] === "all" ? "mean of all heads" : "roll-out through all layers";
}
