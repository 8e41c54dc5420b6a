// @ts-check
/**
 * The arithmetic of a linear mix, and nothing else: no page, no model, no state.
 *
 *     p(y) = sum_k w_k p_k(y) / sum_k w_k          w_k = 0 where layer k is muted or another one is soloed
 *
 * Shapes: K layers, C listed tokens, N held-out positions; `rows` holds K rows one after the other (K × C or K × N).
 * Arrays arrive as float32 and are summed in float64. Python computes the same figures in float64.
 */

/** @typedef {{weights: number[], muted: boolean[], soloed: boolean[]}} Step */
/** @typedef {{name: string, value: number, detail?: string, terms?: Term[], lines?: Line[]}} Term */
/** @typedef {{before: string, word: string, after: string, source: string}} Line */
/** @typedef {{name: string, p: number, terms: Term[]}} LayerReceipt */

const SMALLEST = 1e-45; // below the least float32: a probability that was rounded to nothing still has a logarithm

/** The weights that sound. @param {Step} step @returns {number[]} */
export function effective(step) {
  const solo = step.soloed.some(Boolean);
  return step.weights.map((weight, k) => (step.muted[k] || (solo && !step.soloed[k]) ? 0 : weight));
}

/** Each weight's part of the whole; all zero when nobody speaks. @param {number[]} weights @returns {number[]} */
export function sharesOf(weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total > 0 ? weight / total : 0));
}

/** sum_k share_k rows[k]: the mix in each column. @param {ArrayLike<number>} rows @param {number[]} shares @returns {Float64Array} */
export function mixed(rows, shares) {
  const columns = rows.length / (shares.length || 1);
  const out = new Float64Array(columns);
  shares.forEach((share, k) => {
    if (share === 0) return;
    for (let i = 0, at = k * columns; i < columns; i++, at++) out[i] += share * rows[at];
  });
  return out;
}

/** Natural logarithm of the mix at each position. @param {ArrayLike<number>} rows @param {number[]} shares @returns {Float64Array} */
export function logMixed(rows, shares) {
  const out = mixed(rows, shares);
  for (let t = 0; t < out.length; t++) out[t] = Math.log(out[t] > SMALLEST ? out[t] : SMALLEST);
  return out;
}

/** exp(-mean ln p) over positions start..stop. @param {ArrayLike<number>} logs @param {number} [start] @param {number} [stop] */
export function perplexity(logs, start = 0, stop = logs.length) {
  let sum = 0;
  for (let t = start; t < stop; t++) sum += logs[t];
  return stop > start ? Math.exp(-sum / (stop - start)) : NaN;
}

/**
 * Standard error of a mean whose sampling unit is the document: sqrt(sum_b (sum_{t in b} (x_t - mean))^2) / N.
 * @param {ArrayLike<number>} values @param {ArrayLike<number>} blocks document number of each position, non-decreasing
 */
export function clusteredError(values, blocks) {
  const count = values.length;
  let mean = 0;
  for (let t = 0; t < count; t++) mean += values[t] / count;
  let squares = 0;
  let inside = 0;
  for (let t = 0; t < count; t++) {
    inside += values[t] - mean;
    if (t === count - 1 || blocks[t + 1] !== blocks[t]) {
      squares += inside * inside;
      inside = 0;
    }
  }
  return Math.sqrt(squares) / count;
}

/**
 * Change of perplexity against the pinned mix, in percent, and the half width of its 95 % interval.
 * @param {ArrayLike<number>} now ln p of this mix @param {ArrayLike<number>} pinned ln p of the pinned mix @param {ArrayLike<number>} blocks
 */
export function comparison(now, pinned, blocks) {
  const gained = Float64Array.from(now, (value, t) => value - pinned[t]);
  const ratio = perplexity(gained); // exp(-mean d) = perplexity now / perplexity pinned
  return { change: 100 * (ratio - 1), half: 1.96 * clusteredError(gained, blocks) * ratio * 100 };
}

/** 95 % half width of a perplexity taken from N of `total` positions; nothing where all were read. @param {ArrayLike<number>} logs @param {ArrayLike<number>} blocks @param {number} total */
export function sampledHalf(logs, blocks, total) {
  const unread = Math.max(0, 1 - logs.length / total);
  return 1.96 * clusteredError(logs, blocks) * Math.sqrt(unread) * perplexity(logs);
}

/** Columns of the largest values, best first; equal ones in their order. @param {ArrayLike<number>} values @param {number} count @returns {number[]} */
export function best(values, count) {
  return Array.from(values, (_, i) => i).sort((a, b) => values[b] - values[a] || a - b).slice(0, count);
}

/** The most that a token which is not listed can have. @param {number[]} rest largest p_k outside the list @param {number[]} shares */
export function bound(rest, shares) {
  return shares.reduce((sum, share, k) => sum + share * (rest[k] ?? 0), 0);
}

/**
 * Shares of the listed tokens at a temperature: p^(1/T) / Z. What is not listed counts as tokens at their bound, as many
 * as its mass allows, which is the most that it can weigh when T < 1.
 * @param {ArrayLike<number>} values @param {number} most bound of an unlisted token @param {number} temperature @returns {Float64Array}
 */
export function tempered(values, most, temperature) {
  const out = new Float64Array(values.length);
  let top = 0;
  let mass = 0;
  for (let i = 0; i < values.length; i++) { top = Math.max(top, values[i]); mass += values[i]; }
  if (!(top > 0)) return out;
  const power = 1 / Math.max(temperature, 0.01);
  let total = most > 0 ? (Math.max(0, 1 - mass) / most) * (most / top) ** power : 0;
  for (let i = 0; i < values.length; i++) total += out[i] = (values[i] / top) ** power;
  return out.map((value) => value / total);
}

/** Sum of the leaves under some terms: what a waterfall draws. @param {Term[]} terms @returns {number} */
export function leaves(terms) {
  return terms.reduce((sum, term) => sum + (term.terms?.length ? leaves(term.terms) : term.value), 0);
}

/**
 * A receipt under a mix: where each layer's bar starts, the total sum_k v_k p_k, and what its terms leave unexplained.
 * @param {LayerReceipt[]} layers in the order of the shares @param {number[]} shares v_k
 */
export function scaledReceipt(layers, shares) {
  let total = 0;
  let drawn = 0;
  const starts = layers.map((layer, k) => {
    const start = total;
    total += (shares[k] ?? 0) * layer.p;
    drawn += (shares[k] ?? 0) * leaves(layer.terms);
    return start;
  });
  return { starts, total, residual: Math.abs(total - drawn) };
}

/** Whether two lists of numbers are the same. @param {ArrayLike<number> | null | undefined} a @param {ArrayLike<number> | null | undefined} b */
export function sameNumbers(a, b) {
  if (!a || !b || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (Math.abs(a[i] - b[i]) > 1e-9) return false;
  return true;
}
