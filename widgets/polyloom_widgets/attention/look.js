// @ts-check
/**
 * What is drawn now: one picture, or the difference of two, with the token under the hand.
 *
 * A look is made once a frame and handed to every part, so that all of them show the same token of the same picture.
 */
import { shareOf } from "../base/matrix.js";

/** @typedef {{rows: number, columns: number, queries: string[], keys: string[], of: string, share: (query: number, key: number) => number, difference: boolean, cells: Uint8Array, others: Uint8Array | null, token: number, key: number}} Look */

export class Eye {
  /** @param {import("./heads.js").Heads} heads */
  constructor(heads) {
    this.heads = heads;
    this.hovered = -1; // a query under the pointer or the keyboard
    this.key = -1; // a key there, where one is meant
    /** @type {Look | null} */
    this.last = null;
  }

  /** The picture to draw: the last one while the next is on its way. @returns {Look | null} */
  look() {
    const { heads } = this;
    if (!heads.reading) return null;
    const cells = heads.cells(heads.at, heads.chosen);
    const others = heads.comparing ? heads.cells(1 - heads.at, heads.chosen) : null;
    const waits = !cells || (heads.comparing && !others);
    if (waits && !fits(this.last, heads.reading)) return null;
    if (!waits) {
      const { queries, keys } = heads.reading;
      const columns = keys.length;
      const share = others
        ? (/** @type {number} */ query, /** @type {number} */ key) => shareOf(cells[query * columns + key]) - shareOf(others[query * columns + key])
        : (/** @type {number} */ query, /** @type {number} */ key) => shareOf(cells[query * columns + key]);
      const of = JSON.stringify([heads.at, heads.comparing, ...heads.chosen]);
      this.last = { rows: queries.length, columns, queries, keys, of, share, difference: others !== null, cells, others, token: -1, key: -1 };
    }
    const last = /** @type {Look} */ (this.last);
    const token = this.hovered >= 0 ? this.hovered : heads.token;
    return { ...last, token: token < last.rows ? token : -1, key: this.key < last.columns ? this.key : -1 };
  }

  /** Point at a query and perhaps a key; -1 for none. @param {number} query @param {number} [key] @returns {boolean} whether that is news */
  point(query, key = -1) {
    const news = query !== this.hovered || key !== this.key;
    this.hovered = query;
    this.key = key;
    return news;
  }
}

/** @param {Look | null} look @param {import("./heads.js").Reading} reading */
function fits(look, reading) {
  return look !== null && look.rows === reading.queries.length && look.columns === reading.keys.length;
}

/** The keys of a query, largest share first. @param {Look} look @param {number} query @param {number} most @returns {{key: number, share: number}[]} */
export function strongest(look, query, most) {
  const found = Array.from({ length: look.columns }, (_, key) => ({ key, share: look.share(query, key) }));
  return found.filter((one) => one.share !== 0).sort((a, b) => Math.abs(b.share) - Math.abs(a.share) || a.key - b.key).slice(0, most);
}

/** A picture as a table: a row for each query, a column for each key. @param {Look | null} look @returns {string[][]} */
export function shareRows(look) {
  if (!look) return [];
  const rows = look.queries.map((piece, query) => [piece, ...look.keys.map((_, key) => look.share(query, key).toFixed(4))]);
  return [["query", ...look.keys], ...rows];
}
