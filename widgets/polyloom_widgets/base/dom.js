// @ts-check
/**
 * Elements without innerHTML, and a lifetime that takes everything back.
 *
 * Text from a model or a person enters the page as text nodes and attribute values only. Every listener, timer, frame
 * and observer is taken out through a `Lifetime`, so that a clean-up is one call. Nothing here knows a widget.
 */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. `true` writes an empty attribute; `false`, null and undefined write none.
 * @param {string} tag @param {Attributes} [attributes] @param {...(Node | string)} children @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  return /** @type {HTMLElement} */ (fill(document.createElement(tag), attributes, children));
}

/** @param {string} tag @param {Attributes} [attributes] @param {...(Node | string)} children @returns {SVGElement} */
export function makeSvg(tag, attributes = {}, ...children) {
  return /** @type {SVGElement} */ (fill(document.createElementNS(SVG, tag), attributes, children));
}

/** @param {Element} element @param {Attributes} attributes @param {(Node | string)[]} children */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) attribute(element, name, value ?? false);
  element.append(...children);
  return element;
}

/** A button that never submits. @param {string} label @param {Attributes} [attributes] @param {...(Node | string)} children */
export function button(label, attributes = {}, ...children) {
  const shown = children.length ? children : [label];
  const names = children.length ? { "aria-label": label, title: label } : {};
  return /** @type {HTMLButtonElement} */ (make("button", { type: "button", class: "pl-button", ...names, ...attributes }, ...shown));
}

/** Switch a button off or on again; unlike `disabled`, that leaves the focus where it is. @param {Element} element @param {boolean} off */
export function switchOff(element, off) {
  attribute(element, "aria-disabled", off && "true");
}

/** Keep clicks from buttons that are switched off. @param {Lifetime} life @param {HTMLElement} root */
export function keepClicks(life, root) {
  const stop = (/** @type {Event} */ event) => { if (/** @type {Element} */ (event.target).closest("[aria-disabled]")) event.stopImmediatePropagation(); };
  life.listen(root, "click", stop, { capture: true });
}

/** Write an attribute only where it changes. @param {Element} element @param {string} name @param {string | number | boolean} value */
export function attribute(element, name, value) {
  if (value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Write a text only where it changes. @param {Node} node @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Write a CSS variable or property only where it changes. @param {ElementCSSInlineStyle} element @param {string} name @param {string} value */
export function style(element, name, value) {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}

/**
 * A field for one number: Enter or leaving it reports, Escape takes back, the arrow keys step. What is no number within
 * the limits is marked and taken back. It is a text field, so that the mouse wheel stays the page's.
 * @param {Lifetime} life
 * @param {{label: string, least: number, most: number, step: number, digits: number, report: (value: number) => void}} plan
 * @returns {{element: HTMLInputElement, show: (value: number) => void}}
 */
export function numberField(life, plan) {
  const limits = `${plan.label}: ${plan.least} to ${plan.most}`;
  const element = /** @type {HTMLInputElement} */ (make("input", {
    type: "text", inputmode: plan.digits ? "decimal" : "numeric", class: "pl-number", role: "spinbutton", autocomplete: "off", spellcheck: "false",
    "aria-label": plan.label, title: limits, "aria-valuemin": plan.least, "aria-valuemax": plan.most,
  }));
  let shown = plan.least;
  let editing = false;
  const back = () => {
    editing = false;
    element.value = shown.toFixed(plan.digits);
    attribute(element, "aria-valuenow", shown);
  };
  const take = (/** @type {number} */ value) => {
    const round = Number(value.toFixed(plan.digits));
    const good = Number.isFinite(round) && round >= plan.least && round <= plan.most;
    attribute(element, "aria-invalid", good ? false : "true");
    const changed = good && round !== shown;
    if (changed) shown = round;
    back();
    if (changed) plan.report(round);
  };
  const read = () => (element.value.trim() === "" ? NaN : Number(element.value.trim().replace(",", ".").replace("−", "-")));
  life.listen(element, "input", () => { editing = true; attribute(element, "aria-invalid", false); });
  life.listen(element, "blur", () => { if (editing) take(read()); });
  life.listen(element, "focus", () => element.select());
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const turn = { ArrowUp: plan.step, ArrowDown: -plan.step }[event.key];
    if (event.key === "Enter") { take(read()); element.select(); }
    else if (event.key === "Escape" && editing) { back(); event.stopPropagation(); }
    else if (turn) take(Math.min(plan.most, Math.max(plan.least, (editing ? read() : shown) + turn)));
    else return;
    event.preventDefault();
  });
  return { element, show: (value) => { if (value !== shown || element.value === "") { shown = value; if (!editing) back(); } } };
}

/**
 * A line of text that its owner reads when it is done: Enter or leaving it reports, Escape takes back.
 * @param {Lifetime} life @param {string} label @param {(text: string) => void} report
 * @returns {{element: HTMLInputElement, show: (text: string) => void}}
 */
export function textField(life, label, report) {
  const element = /** @type {HTMLInputElement} */ (make("input", { type: "text", class: "pl-text-field", "aria-label": label, spellcheck: "false", autocomplete: "off" }));
  let shown = "";
  const done = () => { if (element.value !== shown) report(shown = element.value); };
  life.listen(element, "change", done);
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.isComposing) done(); // in an output of JupyterLab Enter makes no change event
    if (event.key !== "Escape" || element.value === shown) return;
    element.value = shown;
    event.stopPropagation();
  });
  return { element, show: (text) => { if (text !== shown) element.value = shown = text; } };
}

/** A token as it is shown: a space is ·, a newline ↵, a tab ⇥. @param {string} piece */
export function shownToken(piece) {
  return piece === "" ? "∅" : piece.replace(/[ \u00a0]/g, "·").replace(/\r?\n|\r/g, "↵").replace(/\t/g, "⇥");
}

/** A token as it is spoken. @param {string} piece */
export function spokenToken(piece) {
  return piece.trim() || { " ": "space", "\n": "new line", "\t": "tab", "": "nothing" }[piece] || "blank";
}

/** 0.214; what would round to 0.000 is said to be less than 0.001. @param {number} p */
export function probability(p) {
  return p > 0 && p < 0.0005 ? "<0.001" : p.toFixed(3);
}

/** As many decimals as a figure of the size of `like` deserves: 8.42, 84.2, 842.5, 8421. @param {number} value @param {number} [like] */
export function figure(value, like = value) {
  return Number.isFinite(value) ? value.toFixed(like < 9.995 ? 2 : like < 999.95 ? 1 : 0) : "∞";
}

const ENDS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1];

/** Where a scale of probabilities ends: at a round figure that holds `most`. @param {number} most */
export function roundEnd(most) {
  return ENDS.find((one) => one >= most) ?? 1;
}

/** A signed percentage with a real minus: −6.1 %. @param {number} value */
export function signed(value) {
  const text = Math.abs(value).toFixed(1);
  return `${Number(text) === 0 ? "" : value < 0 ? "\u2212" : "+"}${text}\u202f%`;
}

/**
 * Keep JupyterLab's single-key shortcuts out of a view. Its command mode looks for `:focus`, which the focused element
 * itself fulfils before any ancestor is asked, so the mark must stand on that element and not on the root alone.
 * @param {Lifetime} life @param {HTMLElement} root
 */
export function keepKeys(life, root) {
  const mark = (/** @type {Element} */ element) => attribute(element, "data-lm-suppress-shortcuts", "true");
  mark(root);
  life.listen(root, "focusin", (event) => mark(event.target));
}

/** What a view has started and must stop. */
export class Lifetime {
  constructor() {
    /** @type {Set<() => void>} */
    this.ends = new Set();
  }

  /** @param {EventTarget} target @param {string} type @param {(event: any) => void} handler @param {AddEventListenerOptions} [options] */
  listen(target, type, handler, options) {
    target.addEventListener(type, handler, options);
    this.ends.add(() => target.removeEventListener(type, handler, options));
  }

  /** Listen to a widget model. @param {any} model @param {string} event @param {(...values: any[]) => void} handler */
  follow(model, event, handler) {
    model.on(event, handler);
    this.ends.add(() => model.off(event, handler));
  }

  /** A timer that starts over at each `start`. @param {number} milliseconds @param {() => void} handler */
  timer(milliseconds, handler) {
    let running = 0;
    const stop = () => { clearTimeout(running); running = 0; };
    const start = () => { stop(); running = window.setTimeout(() => { running = 0; handler(); }, milliseconds); };
    this.ends.add(stop);
    return { start, stop, waiting: () => running !== 0 };
  }

  /** A request for the next frame; many requests before it make one call. @param {() => void} handler @returns {() => void} */
  frame(handler) {
    let asked = 0;
    this.ends.add(() => cancelAnimationFrame(asked));
    return () => { asked ||= requestAnimationFrame(() => { asked = 0; handler(); }); };
  }

  /** Watch the width of an element's content. @param {Element} element @param {(width: number) => void} handler */
  width(element, handler) {
    const observer = new ResizeObserver((seen) => handler(seen[seen.length - 1].contentRect.width));
    observer.observe(element);
    this.ends.add(() => observer.disconnect());
  }

  /** Take everything back, last first. */
  end() {
    for (const end of [...this.ends].reverse()) end();
    this.ends.clear();
  }
}
