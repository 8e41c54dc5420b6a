// @ts-check
/**
 * A model where no kernel is: it holds the traits of one widget and tells those who listen when one changes.
 *
 * What happens to changes that a view saves, and to messages that it sends, each page says for itself.
 */

export class Traits {
  /** @param {Record<string, unknown>} state @param {Record<string, string>} buffers bytes in base64 */
  constructor(state, buffers) {
    this.traits = new Map(Object.entries(state));
    for (const [name, text] of Object.entries(buffers)) this.traits.set(name, bytesOf(text));
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
  send(message) { void message; }

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

/** Bytes from base64, as a notebook hands them on. @param {string} text @returns {DataView} */
export function bytesOf(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n += 1) bytes[n] = letters.charCodeAt(n); // a call for each letter would be slow
  return new DataView(bytes.buffer);
}

/** Show a widget in an element. @param {any} widget the module's default export @param {Traits} model @param {Element | null} el @returns {Promise<unknown>} its clean-up */
export async function shown(widget, model, el) {
  const view = typeof widget === "function" ? await widget() : widget;
  await view.initialize?.({ model });
  return view.render({ model, el });
}
