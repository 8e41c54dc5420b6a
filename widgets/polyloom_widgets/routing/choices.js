// @ts-check
/** What is shown, read from the model's traits: the tables, a row of scores, what is moved, which token is looked at. */

/** @typedef {import("./chooser.js").Table} Table */

export class Choices {
  /** @param {any} model @param {import("../base/ask.js").Questions} questions @param {() => void} redraw */
  constructor(model, questions, redraw) {
    this.model = model;
    this.questions = questions;
    this.redraw = redraw;
    /** @type {number[] | null} */
    this.draft = null; // biases under a hand
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
  /** The token that is looked at: under the hand, else the pinned one. @returns {number} */
  get token() { return this.hovered >= 0 ? this.hovered : this.model.get("token") ?? -1; }

  /** The scores of a row of the table. @param {number} t @returns {Float32Array} */
  row(t) {
    const before = this.tables.slice(0, this.at).reduce((sum, one) => sum + one.rows * one.experts.length, 0);
    const view = this.model.get("scores");
    const count = this.table.experts.length;
    const found = new Float32Array(count);
    for (let e = 0; e < count; e += 1) found[e] = view?.getFloat32?.(4 * (before + t * count + e), true) ?? 0;
    return found;
  }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  set(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    this.redraw();
  }

  /** Point at an expert and a token. @param {number} expert @param {number} [token] */
  point(expert, token = -1) {
    const news = expert !== this.expert || token !== this.hovered;
    this.expert = expert;
    this.hovered = token;
    return news;
  }
}
