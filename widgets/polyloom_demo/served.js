// @ts-check
/**
 * A view whose Python is behind requests: the module that a notebook shows too, its examples, and what can be taken along.
 *
 * What a view reports or asks is sent in order, one request at a time; what gathers meanwhile goes together. An answer
 * never overwrites what a hand has changed since. A desk's recipe stands in the address, so the address is the mix.
 */
import { attribute, button, make, write } from "../polyloom_widgets/base/dom.js";
import { bytesOf, shown, Traits } from "../polyloom_widgets/base/traits.js";

/** @typedef {{view: string, module: string, state: Record<string, unknown>, buffers: Record<string, string>, takes: string[], recipe: object | null, note: string}} Opened */
/** @typedef {{method: "update", state: Record<string, unknown>} | {method: "custom", content: Record<string, unknown>}} Message */

const AGAIN = 1500; // milliseconds until a model that is still learning is asked for again
const PAUSES = [500, 1500, 4000]; // milliseconds before a request that got no answer is sent again
const WRITTEN = 300; // milliseconds that an address waits for more changes
const TAKES = /** @type {Record<string, string>} */ ({ "page.html": "Offline page", "recipe.json": "Recipe", "mix.psamc": "Model", "tune.mid": "Tune (MIDI)", "tune.wav": "Tune (WAV)" });

class Trouble extends Error {}

/** Ask the server; Trouble in its words, or because it does not answer. @param {string} path @param {unknown} content @returns {Promise<any>} */
async function asked(path, content) {
  for (const pause of [...PAUSES, 0]) {
    let answer;
    try {
      answer = await fetch(address(path), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
    } catch {
      if (pause) await rest(pause);
      continue;
    }
    return answered(answer);
  }
  throw new Trouble("The demo does not answer. Is it still running? Reload the page when it is.");
}

/** What an answer holds; Trouble in its words if it is an error. @param {Response} answer @returns {Promise<any>} */
async function answered(answer) {
  const failed = { error: `The demo answered with status ${answer.status}.` };
  const found = await answer.json().catch(() => failed);
  if (!answer.ok) throw new Trouble(found.error ?? failed.error);
  return found;
}

/** @param {string} path */
function address(path) { return new URL(`polyloom/${path}`, document.baseURI); }

/** @param {number} time @returns {Promise<void>} */
function rest(time) { return new Promise((done) => { setTimeout(done, time); }); }

class ServedModel extends Traits {
  /** @param {Opened} opened @param {(trouble: string) => void} tell @param {(recipe: object | null) => void} heard */
  constructor(opened, tell, heard) {
    super(opened.state, opened.buffers);
    this.view = opened.view;
    this.trouble = tell;
    this.heard = heard;
    /** @type {Record<string, unknown>} */
    this.changed = {};
    /** @type {Message[]} */
    this.waiting = [];
    this.going = false;
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    if (this.get(name) !== value) this.changed[name] = value;
    super.set(name, value);
  }

  save_changes() {
    const state = this.changed;
    this.changed = {};
    if (Object.keys(state).length) this.say({ method: "update", state });
  }

  /** @param {Record<string, unknown>} content */
  send(content) { this.say({ method: "custom", content }); }

  /** @param {Message} message */
  say(message) {
    const last = this.waiting.at(-1);
    if (message.method === "update" && last?.method === "update") Object.assign(last.state, message.state);
    else this.waiting.push(message);
    if (!this.going) void this.go();
  }

  async go() {
    this.going = true;
    while (this.waiting.length) {
      const messages = this.waiting.splice(0);
      try {
        const { said, recipe } = await asked("say", { view: this.view, messages });
        for (const one of said) this.hear(one);
        this.heard(recipe);
        this.trouble("");
      } catch (error) {
        this.trouble(String(error instanceof Error ? error.message : error));
        for (const one of messages) if (one.method === "custom") this.tell("msg:custom", { ...one.content, error: "The demo did not answer." }, []);
      }
    }
    this.going = false;
  }

  /** @param {any} one an answer or new traits */
  hear(one) {
    if ("content" in one) { this.tell("msg:custom", one.content, one.buffers.map(bytesOf)); return; }
    const later = new Set([...Object.keys(this.changed), ...this.waiting.flatMap((message) => (message.method === "update" ? Object.keys(message.state) : []))]);
    const news = Object.entries({ ...one.state, ...Object.fromEntries(Object.entries(one.buffers).map(([name, text]) => [name, bytesOf(/** @type {string} */ (text))])) }).filter(([name]) => !later.has(name));
    for (const [name, value] of news) this.traits.set(name, value);
    for (const [name, value] of news) this.tell(`change:${name}`, this, value);
    this.tell("change", this);
  }
}

/**
 * Show a kind of view with its examples, and a field for files where a visitor may bring some.
 * @param {HTMLElement} host @param {{kind: string, examples: string[], files: {endings: string, several: boolean, most: number, told: string} | null}} plan
 */
export async function serve(host, { kind, examples, files }) {
  const head = make("div", { class: "demo-examples", role: "group", "aria-label": "Examples" });
  const status = make("p", { class: "demo-status", role: "status" });
  const place = make("div", { class: "demo-view" });
  const takes = make("p", { class: "demo-takes" });
  host.replaceChildren(make("div", { class: "polyloom demo-bar" }, head, status), place, make("div", { class: "polyloom demo-bar" }, takes));
  const tell = (/** @type {string} */ text) => { write(status, text); attribute(status, "hidden", !text); };
  const buttons = examples.map((label) => button(label, { class: "pl-button pl-small" }));
  head.append(...buttons);
  let shownView = "";
  let turn = 0;
  /** @type {(() => void) | undefined} */
  let leave;

  /** @param {number} pressed the example, -1 for none @param {() => Promise<any>} ask @param {boolean} fresh whether the address is to forget its recipe */
  const open = async (pressed, ask, fresh) => {
    const mine = ++turn;
    buttons.forEach((one, n) => attribute(one, "aria-pressed", String(n === pressed)));
    tell(pressed < 0 ? "Reading your files…" : "Opening…");
    try {
      let opened = await ask();
      while (opened.error && mine === turn) { // what is still being made: the server says how far it is
        tell(opened.error);
        await rest(AGAIN);
        opened = await ask();
      }
      const widget = (await import(String(address(`${opened.module}.js`)))).default;
      if (mine !== turn) return;
      leave?.();
      shownView = opened.view;
      const model = new ServedModel(opened, tell, kind === "mix" ? addressed : () => {});
      leave = /** @type {() => void} */ (await shown(widget, model, place));
      takes.replaceChildren("Take it along: ", ...opened.takes.map((/** @type {string} */ what) => make("a", { class: "demo-take", href: `polyloom/take/${opened.view}/${what}`, download: `polyloom-${what}` }, TAKES[what])));
      tell(opened.note);
      if (fresh && kind === "mix") addressed(null);
    } catch (error) {
      if (mine === turn) tell(error instanceof Trouble ? error.message : `This view could not be shown: ${error}`);
    }
  };
  const example = (/** @type {number} */ number, /** @type {object | null} */ recipe) =>
    open(number, () => asked("open", { kind, example: number, recipe, instead: shownView }), recipe === null);
  buttons.forEach((one, n) => one.addEventListener("click", () => { void example(n, null); }));
  if (files) {
    const field = /** @type {HTMLInputElement} */ (make("input", { type: "file", class: "demo-files", accept: files.endings }));
    field.multiple = files.several;
    field.addEventListener("change", () => {
      const chosen = [...(field.files ?? [])];
      if (chosen.length) void open(-1, () => brought(kind, chosen, shownView, files.most), false);
      field.value = ""; // the same files may be brought again, changed
    });
    head.before(make("label", { class: "demo-bring" }, "Your files ", field, make("span", { class: "pl-muted" }, files.told)));
  }
  await example(0, kind === "mix" ? recipeInAddress() : null);
}

/** Bring files; the server checks them. @param {string} kind @param {File[]} files @param {string} instead @param {number} most bytes @returns {Promise<any>} */
async function brought(kind, files, instead, most) {
  if (files.reduce((sum, file) => sum + file.size, 0) > most) throw new Trouble(`All files together may have ${most / 1e6} MB.`);
  const form = new FormData();
  form.append("kind", kind);
  form.append("instead", instead);
  for (const file of files) form.append("files", file);
  return answered(await fetch(address("compose"), { method: "POST", headers: { "X-Polyloom": "1" }, body: form }));
}

/** The recipe that the address holds. @returns {object | null} */
function recipeInAddress() {
  const text = new URLSearchParams(location.hash.slice(1)).get("recipe") ?? new URLSearchParams(location.search).get("recipe");
  if (!text) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { damaged: true }; // Python says what is wrong with it
  }
}

let written = 0;
/** Put a recipe into the address: after the #, which no server is sent. @param {object | null} recipe */
function addressed(recipe) {
  clearTimeout(written);
  written = window.setTimeout(() => {
    const here = new URL(location.href);
    here.searchParams.delete("recipe");
    here.hash = recipe ? `recipe=${packed(recipe)}` : "";
    history.replaceState(history.state, "", here);
  }, WRITTEN);
}

/** Base64 for addresses. @param {object} recipe */
function packed(recipe) {
  const letters = Array.from(new TextEncoder().encode(JSON.stringify(recipe)), (code) => String.fromCharCode(code)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
