// @ts-check
/**
 * A page without Python: the same module is given a model that holds the traits and tells the page's own listeners.
 * What it is asked by `send` it answers with an error, since nobody is there to ask.
 */

class PageModel {
  /** @param {Record<string, unknown>} state @param {Record<string, string>} buffers bytes in base64 */
  constructor(state, buffers) {
    this.traits = new Map(Object.entries(state));
    for (const [name, text] of Object.entries(buffers)) {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      this.traits.set(name, new DataView(bytes.buffer));
    }
    /** @type {Map<string, Set<(...values: any[]) => void>>} */
    this.listeners = new Map();
  }

  /** @param {string} name */
  get(name) { return this.traits.get(name); }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    if (this.traits.get(name) === value) return;
    this.traits.set(name, value);
    this.tell(`change:${name}`, this, value);
    this.tell("change", this);
  }

  save_changes() {}

  /** @param {any} message */
  send(message) {
    queueMicrotask(() => this.tell("msg:custom", { id: message.id, op: message.op, error: "This page has no Python to ask." }, []));
  }

  /** @param {string} event @param {(...values: any[]) => void} handler */
  on(event, handler) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)?.add(handler);
  }

  /** @param {string} [event] @param {(...values: any[]) => void} [handler] */
  off(event, handler) {
    if (event === undefined) this.listeners.clear();
    else if (handler === undefined) this.listeners.delete(event);
    else this.listeners.get(event)?.delete(handler);
  }

  /** @param {string} event @param {...unknown} values */
  tell(event, ...values) {
    for (const handler of [...(this.listeners.get(event) ?? [])]) handler(...values);
  }
}

/** @param {any} widget the module's default export */
async function openPage(widget) {
  const data = JSON.parse(document.querySelector("script[type='application/json']")?.textContent ?? "{}");
  const el = document.querySelector("main > div");
  const model = new PageModel(data.state, data.buffers);
  const view = typeof widget === "function" ? await widget() : widget;
  await view.initialize?.({ model });
  await view.render({ model, el });
}
