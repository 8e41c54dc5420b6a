// @ts-check
/**
 * The state of one view, drawn from the model: which step is shown, how a hand changes it, and what Python is asked.
 *
 * `committed` is the model's steps[cursor]. `step` is what is drawn now: the draft under a finger, or `shown`: the committed
 * one, or a step that is gliding there (300 ms) because Python or a preset sent it. A commit cuts the redo branch and appends one step.
 */
import { Questions } from "../base/ask.js";
import { effective, sameNumbers, sharesOf } from "./mixing.js";

/** @typedef {import("./mixing.js").Step} Step */
/** @typedef {{name: string, base: boolean, start: number}} Layer */
/** @typedef {{key: number, before: string, after: string, tokens: number[], pieces: string[], rest: number[], actual: number, actual_piece: string | null, unknown?: string[]}} Bars */
/** @typedef {{slices: {name: string, start: number, stop: number}[], positions: number, total: number, places: number}} Score */
/** @typedef {{weights: number[], pinned: number[], key: number, perplexity: number, pinned_perplexity: number, change: number, half: number,
 *    slices: {name: string, now: number, pinned: number}[], bars: {token: number, p: number, parts: number[]}[], actual_rank: number | null}} Exact */

const KEPT = 200; // steps of history
const GLIDE = 300; // milliseconds
export const PATIENCE = 5000; // milliseconds until an answer is missed

export class Desk {
  /** @param {any} model @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
  constructor(model, life, redraw) {
    this.model = model;
    this.redraw = redraw;
    /** @type {Step | null} */
    this.draft = null;
    /** @type {string | null} */
    this.news = null; // what was released, to be spoken with the next picture
    this.frozen = false;
    this.failure = ""; // why the last question was not answered
    /** @type {{from: number[], since: number} | null} */
    this.glide = null;
    /** @type {number[]} */
    this.seen = this.committed.weights;
    /** @type {Step} */
    this.shown = this.committed;
    this.questions = new Questions(model, life, redraw, (error) => { this.failure = error; });
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.patience = life.timer(PATIENCE, () => { this.frozen = !this.exact && !this.busy; redraw(); });
  }

  /** @returns {Layer[]} */
  get layers() { return this.model.get("layers") ?? []; }
  /** @returns {Step[]} */
  get steps() { return this.model.get("steps") ?? []; }
  /** @returns {number} */
  get cursor() { return this.model.get("cursor") ?? 0; }
  /** @returns {Bars | null} */
  get bars() { return this.model.get("bars")?.tokens ? this.model.get("bars") : null; }
  /** @returns {Score | null} */
  get score() { return this.model.get("score")?.slices ? this.model.get("score") : null; }
  /** @returns {number[]} */
  get pinned() { return this.model.get("pinned") ?? []; }
  /** @returns {{temperature: number, seed: number}} */
  get sampling() { return this.model.get("sampling") ?? { temperature: 1, seed: 1 }; }
  get offline() { return Boolean(this.model.get("offline")); }
  get busy() { return String(this.model.get("busy") ?? ""); }
  get canUndo() { return this.cursor > 0 || this.dragging; }
  get canRedo() { return this.cursor < this.steps.length - 1; }
  get dragging() { return this.draft !== null; }

  /** The step of the model. @returns {Step} */
  get committed() {
    return this.steps[this.cursor] ?? {
      weights: this.layers.map((layer) => layer.start), muted: this.layers.map(() => false), soloed: this.layers.map(() => false),
    };
  }

  /** Whether the layers, the step and the pinned mix speak of the same number of layers: Python may set them one by one. */
  get whole() {
    const count = this.layers.length;
    return count > 0 && this.committed.weights.length === count && this.pinned.length === count;
  }

  /** The step that is drawn now. @returns {Step} */
  get step() { return this.draft ?? this.shown; }

  /** Before each frame: follow the model, and glide to where Python or a preset sent the faders. */
  tick() {
    const step = this.committed;
    const target = step.weights;
    if (!sameNumbers(target, this.seen)) {
      const moves = this.seen.length === target.length && !this.calm.matches;
      this.glide = moves ? { from: this.seen, since: performance.now() } : null;
      this.seen = target;
    }
    const part = this.glide ? Math.min(1, (performance.now() - this.glide.since) / GLIDE) : 1;
    const from = this.glide?.from ?? target;
    if (part >= 1) this.glide = null;
    else this.redraw();
    const left = (1 - part) ** 3; // an ease-out
    this.shown = this.glide ? { ...step, weights: target.map((weight, k) => weight + (from[k] - weight) * left) } : step;
  }

  /** Python's figures, if they are those of the mix that is shown. @returns {Exact | null} */
  get exact() {
    const exact = this.model.get("exact");
    const fits = exact && exact.key === this.bars?.key && sameNumbers(exact.weights, effective(this.step)) && sameNumbers(exact.pinned, this.pinned);
    return fits ? exact : null;
  }

  /** Show a change without keeping it. @param {Partial<Step>} change */
  drag(change) {
    this.draft = { ...(this.draft ?? this.committed), ...change };
    this.redraw();
  }

  /** Keep what was dragged as one step; `news` is what is said of it. @param {string} news */
  release(news) {
    const draft = this.draft;
    this.draft = null;
    if (draft) this.commit(draft, news);
    this.redraw();
  }

  /** Take a drag back. */
  forget() {
    this.draft = null;
    this.redraw();
  }

  /** One step more; what was undone is cut off. @param {Partial<Step>} change @param {string} news @param {boolean} [glides] */
  commit(change, news, glides = false) {
    const old = this.committed;
    const step = { weights: old.weights, muted: old.muted, soloed: old.soloed, ...change };
    this.draft = null;
    if (sameNumbers(step.weights, old.weights) && same(step.muted, old.muted) && same(step.soloed, old.soloed)) return;
    if (!glides) this.seen = step.weights;
    const steps = [...this.steps.slice(0, this.cursor + 1), step].slice(-KEPT);
    this.set({ steps, cursor: steps.length - 1 }, news);
  }

  /** Undo (-1) or redo (+1); what a hand has not let go of yet is a step first. @param {number} by */
  move(by) {
    if (this.draft) this.commit(this.draft, "");
    const cursor = this.cursor + by;
    if (cursor < 0 || cursor >= this.steps.length) return;
    this.seen = this.steps[cursor].weights;
    this.set({ cursor }, by < 0 ? "undone" : "redone");
  }

  /** The present mix is the one to compare with. */
  pin() {
    this.set({ pinned: effective(this.committed) }, "pinned");
  }

  /** Set traits, tell Python, and wait for its exact figures. @param {Record<string, unknown>} traits @param {string} [news] */
  set(traits, news) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    if (news) this.news = news;
    this.frozen = false;
    this.failure = "";
    if (!this.offline) this.patience.start();
    this.redraw();
  }

  /** Ask Python. @param {string} op @param {Record<string, unknown>} content @param {(answer: any) => void} handler */
  ask(op, content, handler) {
    this.questions.ask(op, content, handler);
  }

  /** Shares of the pinned mix. @returns {number[]} */
  get pinnedShares() { return sharesOf(this.pinned); }
}

/** @param {boolean[]} a @param {boolean[]} b */
function same(a, b) {
  return a.length === b.length && a.every((value, k) => Boolean(value) === Boolean(b[k]));
}
