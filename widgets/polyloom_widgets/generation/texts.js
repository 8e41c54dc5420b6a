// @ts-check
/**
 * The texts of the view and what is done with them: which is shown, which it is compared with, and how one is written.
 *
 * Writing is asking: the page asks for the next few tokens until Python says that the text does not go on. Stop is not
 * to ask, so nothing has to be heard in the middle of a call.
 */

/** @typedef {{token: number, text: string, piece: string, p: number, voice: number, shares: Record<string, number>, candidates: [string, number][]}} Step */
/** @typedef {{mix: string, parent: number | null, at: number, done: boolean, prompt: string, steps: Step[]}} Leaf */

export class Texts {
  /** @param {any} model @param {import("../base/ask.js").Questions} questions @param {() => void} redraw */
  constructor(model, questions, redraw) {
    this.model = model;
    this.questions = questions;
    this.redraw = redraw;
    this.writing = false;
    this.failure = "";
  }

  /** @returns {Leaf[]} */
  get leaves() { return this.model.get("leaves") ?? []; }
  /** @returns {number} */
  get at() { return Math.min(this.model.get("leaf") ?? 0, this.leaves.length - 1); }
  /** @returns {Leaf | undefined} */
  get leaf() { return this.leaves[this.at]; }
  /** The leaf that is compared with. @returns {number} */
  get otherAt() { const other = this.model.get("other") ?? -1; return other === this.at || other >= this.leaves.length ? -1 : other; }
  /** @returns {Leaf | undefined} */
  get other() { return this.leaves[this.otherAt]; }
  /** The step before which the reader stands. @returns {number} */
  get step() { return Math.max(0, Math.min(this.model.get("step") ?? 0, this.leaf?.steps.length ?? 0)); }
  /** @returns {string[]} */
  get voices() { return this.model.get("voices") ?? []; }
  /** @returns {string[]} */
  get mixes() { return this.model.get("mixes") ?? []; }
  get offline() { return Boolean(this.model.get("offline")); }
  /** @returns {Record<string, number>} */
  get sampling() { return this.model.get("sampling") ?? {}; }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  set(traits) {
    this.questions.report(traits);
  }

  /** Begin a text, fork one, or go on with one. @param {"write" | "fork" | "more"} op @param {Record<string, unknown>} content */
  write(op, content = {}) {
    this.writing = true;
    this.failure = "";
    const heard = (/** @type {any} */ answer) => {
      this.failure = answer.error ?? "";
      if (answer.error || !answer.goes_on || !this.writing) { this.writing = false; return; }
      this.questions.ask("more", { leaf: answer.leaf }, heard);
    };
    this.questions.ask(op, content, heard);
    this.redraw();
  }

  stop() {
    this.writing = false;
    this.redraw();
  }
}

/** The first step at which two texts differ; the length of the shorter one if none does. @param {Leaf} a @param {Leaf} b */
export function parting(a, b) {
  const least = Math.min(a.steps.length, b.steps.length);
  for (let n = 0; n < least; n += 1) if (a.steps[n].token !== b.steps[n].token) return n;
  return least;
}

/** What was written in some steps. @param {Step[]} steps */
export function wordsOf(steps) {
  return steps.map((step) => step.text).join("");
}

/** What a text is called. @param {number} at @param {Leaf} leaf @param {boolean} several whether there are several mixes */
export function leafName(at, leaf, several) {
  const origin = leaf.parent === null ? "" : `, from ${leaf.parent + 1} at step ${leaf.at}`;
  return `${at + 1}${several ? ` ${leaf.mix}` : ""}${origin}`;
}

/** A text as a table: a row for each step. @param {Leaf | undefined} leaf @returns {string[][]} */
export function stepRows(leaf) {
  const voices = [...new Set((leaf?.steps ?? []).flatMap((step) => Object.keys(step.shares)))];
  const rows = (leaf?.steps ?? []).map((step, n) => [String(n), step.text, step.p.toFixed(6), ...voices.map((name) => (step.shares[name] ?? 0).toFixed(4))]);
  return [["step", "text", "probability", ...voices], ...rows];
}
