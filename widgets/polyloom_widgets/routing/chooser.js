// @ts-check
/**
 * The arithmetic of choices, the same as in Python: who is chosen with so much added to the biases, how narrowly, and what
 * a router makes of its features at other strengths.
 */

/** @typedef {{kind: "mixture" | "members" | "router", name: string, experts: string[], active: number, bias: number[], threshold: number, rows: number}} Table */
/** @typedef {{features: Record<string, number[]>, rest: number[], none: number}} Parts */

/** The experts of a row, most wanted first; of equals the first. @param {ArrayLike<number>} scores @param {number[]} bias @param {number[]} moved @returns {number[]} */
export function ranked(scores, bias, moved) {
  const wanted = Array.from(scores, (score, e) => score + (bias[e] ?? 0) + (moved[e] ?? 0));
  return wanted.map((_, e) => e).sort((a, b) => wanted[b] - wanted[a] || a - b);
}

/** Who speaks in a row. @param {Table} table @param {ArrayLike<number>} scores @param {number[]} moved @returns {number[]} */
export function chosenOf(table, scores, moved) {
  if (table.active) return ranked(scores, table.bias, moved).slice(0, table.active);
  return ranked(scores, [], []).filter((e) => scores[e] > 0);
}

/** How much must be added to an expert to be chosen in a row, or taken from it to be left out. @param {Table} table @param {ArrayLike<number>} scores @param {number[]} moved @param {number} expert */
export function flipDistance(table, scores, moved, expert) {
  const order = ranked(scores, table.bias, moved);
  const last = table.active || 1;
  if (last >= order.length) return Infinity;
  const wanted = (/** @type {number} */ e) => scores[e] + (table.bias[e] ?? 0) + (moved[e] ?? 0);
  const inside = order.indexOf(expert) < last;
  return inside ? wanted(order[last]) - wanted(expert) : wanted(order[last - 1]) - wanted(expert);
}

/** What a router says with each feature at its strength: probabilities, and what is left for none. @param {Parts} parts @param {Record<string, number>} scales @returns {{scores: number[], none: number}} */
export function routedAnew(parts, scales) {
  const z = parts.rest.slice();
  for (const [name, adds] of Object.entries(parts.features)) adds.forEach((much, e) => { z[e] += (scales[name] ?? 1) * much; });
  const top = Math.max(parts.none, ...z);
  const sum = [parts.none, ...z].reduce((all, one) => all + Math.exp(one - top), 0);
  return { scores: z.map((one) => Math.exp(one - top) / sum), none: Math.exp(parts.none - top) / sum };
}

/** The strength of a feature at which the second best draws level with the best, all else as it is; none: infinite. @param {Parts} parts @param {Record<string, number>} scales @param {string} name */
export function levelAt(parts, scales, name) {
  const { scores } = routedAnew(parts, scales);
  const [best, second] = ranked(scores, [], []);
  const adds = parts.features[name];
  return (scales[name] ?? 1) - Math.log(scores[best] / scores[second]) / (adds[best] - adds[second]);
}

/** The part of all choices that each expert gets. @param {Table} table @param {(row: number) => ArrayLike<number>} row @param {number[]} moved @returns {{load: number[], rerouted: number}} */
export function loads(table, row, moved) {
  const load = table.experts.map(() => 0);
  let changed = 0;
  let all = 0;
  for (let t = 0; t < table.rows; t += 1) {
    const scores = row(t);
    if (!table.active) { Array.from(scores).forEach((share, e) => { load[e] += share; }); continue; }
    const now = chosenOf(table, scores, moved);
    const before = chosenOf(table, scores, []);
    now.forEach((e) => { load[e] += 1; });
    changed += before.filter((e) => !now.includes(e)).length;
    all += before.length;
  }
  const sum = load.reduce((a, b) => a + b, 0) || 1;
  return { load: load.map((one) => one / sum), rerouted: all ? changed / all : 0 };
}

/** Bits of a row. @param {ArrayLike<number>} scores */
export function bitsOf(scores) {
  const sum = Array.from(scores).reduce((a, b) => a + b, 0) || 1;
  return Array.from(scores).reduce((all, one) => all - (one > 0 ? (one / sum) * Math.log2(one / sum) : 0), 0);
}
