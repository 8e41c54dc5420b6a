// @ts-check
/**
 * What is shown, read from the model's traits: the tables, what was decided in one of them, which token is looked at.
 *
 * What was decided is worked out once for the scores and biases it follows from, and not again while a hand moves over it.
 */
import { chosenOf, loads } from "./chooser.js";

/** @typedef {import("./chooser.js").Table} Table */
/** @typedef {{from: unknown[], rows: Float32Array[], chosen: number[][], load: number[], rerouted: number, cells: Uint8Array}} Decided */

const FAINTEST = 60; // byte of a lane's cell, so that who is chosen is seen whatever the share

export class Choices {
  /** @param {any} model @param {import("../base/ask.js").Questions} questions @param {() => void} redraw */
  constructor(model, questions, redraw) {
    this.model = model;
    this.questions = questions;
    this.redraw = redraw;
    /** @type {number[] | null} */
    this.draft = null; // biases under a hand
    /** @type {Decided | null} */
    this.last = null;
    this.hovered = -1; // a token
    this.expert = -1;
    /** @type {Record<number, any>} */
    this.alone = {}; // what each would cost if it were forced, once asked
  }

  /** @returns {Table[]} */
  get tables() { return this.model.get("tables") ?? []; }
  /** @returns {number} */
  get at() { return Math.min(this.model.get("table") ?? 0, this.tables.length - 1); }
  get table() { return this.tables[this.at]; }
  /** @returns {string[]} */
  get pieces() { return this.model.get("pieces") ?? []; }
  /** @returns {number[]} */
  get moved() { return this.draft ?? this.model.get("moved") ?? []; }
  get asks() { return Boolean(this.model.get("asks")); }
  get offline() { return Boolean(this.model.get("offline")); }
  /** @returns {number} the token that is kept, -1 for none */
  get pinned() { return this.model.get("token") ?? -1; }
  /** The token that is looked at: under the hand, else the pinned one. @returns {number} */
  get token() { return this.hovered >= 0 ? this.hovered : this.pinned; }

  /** Keep a token; the one that is kept already is let go. @param {number} token */
  pin(token) { this.set({ token: token === this.pinned ? -1 : token }); }

  /** The scores of a row of the table. @param {number} t @returns {Float32Array} */
  row(t) {
    const before = this.tables.slice(0, this.at).reduce((sum, one) => sum + one.rows * one.experts.length, 0);
    const view = this.model.get("scores");
    const count = this.table.experts.length;
    const found = new Float32Array(count);
    for (let e = 0; e < count; e += 1) found[e] = view?.getFloat32?.(4 * (before + t * count + e), true) ?? 0;
    return found;
  }

  /** Scores and choices of every row of the table, the load, and the lanes: a byte for each expert and token. @returns {Decided} */
  decided() {
    const { table, moved } = this;
    const from = [this.model.get("tables"), this.model.get("scores"), this.at, moved];
    if (this.last?.from.every((one, n) => one === from[n])) return this.last;
    const rows = Array.from({ length: table.rows }, (_, t) => this.row(t));
    const chosen = rows.map((scores) => chosenOf(table, scores, moved));
    const cells = new Uint8Array(table.experts.length * table.rows);
    chosen.forEach((experts, t) => experts.forEach((e) => { cells[e * table.rows + t] = Math.max(FAINTEST, Math.round(255 * Math.sqrt(Math.min(1, Math.max(0, rows[t][e]))))); }));
    this.last = { from, rows, chosen, cells, ...loads(table, (t) => rows[t], moved) };
    return this.last;
  }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  set(traits) {
    this.questions.report(traits);
  }

  /** Point at an expert and a token. @param {number} expert @param {number} [token] */
  point(expert, token = -1) {
    const news = expert !== this.expert || token !== this.hovered;
    this.expert = expert;
    this.hovered = token;
    return news;
  }
}
