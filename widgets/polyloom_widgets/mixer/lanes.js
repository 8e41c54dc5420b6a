// @ts-check
/**
 * Lanes: a weight for each layer that moves along the text, drawn as a line from its first token to its last.
 *
 * Each end of a line is a slider: it moves in weight with up and down and in place with left and right, by mouse, finger or
 * keys. Write lets the mix write under the lanes; the play head passes over them as the words come.
 */
import { attribute, button, make, makeSvg, style, switchOff } from "../base/dom.js";
import { written } from "./generate.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{t: number, w: number}} Point */

const TOKENS = 40; // as many as the desk writes

const HIGHEST = 2; // weight
const PACE = 90; // milliseconds a token of the play head

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function lanesPanel(desk, life) {
  const classes = layerClasses(desk.layers);
  const lanes = desk.layers.map((layer, k) => lane(life, layer.name, classes[k], () => desk.redraw()));
  const smooth = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox" }));
  const go = button("Write along the lanes", { class: "pl-button pl-small" });
  const output = make("div", { class: "pl-output", role: "status" });
  const head = make("i", { class: "pl-play-head", hidden: true });
  const field = make("div", { class: "pl-lanes-field" }, ...lanes.map((one) => one.element), head);
  const axis = make("div", { class: "pl-lanes-axis", "aria-hidden": "true" }, make("span", {}, "first token"), make("span", {}, `${TOKENS}th`));
  const element = make("div", { class: "pl-lanes-panel" }, field, axis, make("div", { class: "pl-reach-row" }, go, make("label", { class: "pl-field" }, smooth, "smooth")), output);
  let writing = false;
  let at = 0;
  /** @type {HTMLElement[]} */
  let words = [];
  const play = life.timer(PACE, () => {
    at += 1;
    for (const [n, one] of words.entries()) one.toggleAttribute("data-unheard", n >= at);
    if (at < words.length) play.start();
    desk.redraw();
  });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  life.listen(go, "click", () => {
    writing = true;
    const drawn = Object.fromEntries(lanes.map((one) => [one.name, one.points().map(({ t, w }) => [t, w])]));
    desk.ask("lanes", { lanes: drawn, smooth: smooth.checked }, (answer) => {
      writing = false;
      const text = answer.error ? make("p", { class: "pl-message" }, `⚠ ${answer.error}`) : written(desk, answer.pieces);
      output.replaceChildren(text);
      words = /** @type {HTMLElement[]} */ ([...text.querySelectorAll(".pl-written")]);
      at = calm.matches ? words.length : 0;
      for (const one of words) one.toggleAttribute("data-unheard", !calm.matches);
      if (!calm.matches && words.length) play.start();
    });
    desk.redraw();
  });

  const draw = (/** @type {Picture} */ { step }) => {
    lanes.forEach((one, k) => one.draw(step.weights[k]));
    switchOff(go, writing);
    head.hidden = at === 0 || at >= words.length;
    style(head, "--pl-at", (at / TOKENS).toFixed(3));
  };
  return { element, draw, leave: () => play.stop() };
}

/** One layer's line, flat at its weight until somebody moves an end. @param {import("../base/dom.js").Lifetime} life @param {string} name @param {string} look @param {() => void} redraw */
function lane(life, name, look, redraw) {
  const line = makeSvg("polyline", { class: "pl-lane-line", "vector-effect": "non-scaling-stroke" });
  const svg = makeSvg("svg", { class: "pl-lane-svg", viewBox: `0 0 ${TOKENS} ${HIGHEST}`, preserveAspectRatio: "none", "aria-hidden": "true" }, line);
  const ends = ["first", "last"].map((which) => make("i", { class: "pl-lane-end", role: "slider", tabindex: 0, "aria-label": `${name}, ${which} point`, "aria-valuemin": 0, "aria-valuemax": HIGHEST }));
  const field = make("div", { class: "pl-lane-field" }, svg, ...ends);
  const element = make("div", { class: `pl-lane ${look}` }, make("span", { class: "pl-lane-name" }, name), field);
  /** @type {Point[]} */
  let points = [{ t: 0, w: 1 }, { t: TOKENS - 1, w: 1 }];
  let own = false; // moved by somebody; before, it follows the fader

  const move = (/** @type {number} */ which, /** @type {number} */ t, /** @type {number} */ w) => {
    own = true;
    const [least, most] = which ? [points[0].t + 1, TOKENS - 1] : [0, points[1].t - 1];
    points = points.map((point, n) => (n === which ? { t: Math.max(least, Math.min(most, Math.round(t))), w: Math.max(0, Math.min(HIGHEST, Math.round(20 * w) / 20)) } : point));
    redraw();
  };
  ends.forEach((end, which) => {
    let held = false;
    life.listen(end, "pointerdown", (/** @type {PointerEvent} */ event) => { held = true; end.setPointerCapture(event.pointerId); end.focus(); event.preventDefault(); });
    life.listen(end, "pointermove", (/** @type {PointerEvent} */ event) => {
      if (!held) return;
      const box = field.getBoundingClientRect();
      move(which, ((event.clientX - box.left) / box.width) * TOKENS, (1 - (event.clientY - box.top) / box.height) * HIGHEST);
    });
    for (const type of ["pointerup", "pointercancel"]) life.listen(end, type, () => { held = false; });
    life.listen(end, "keydown", (/** @type {KeyboardEvent} */ event) => {
      const { t, w } = points[which];
      const to = { ArrowUp: [t, w + 0.05], ArrowDown: [t, w - 0.05], ArrowLeft: [t - 1, w], ArrowRight: [t + 1, w], PageUp: [t, w + 0.25], PageDown: [t, w - 0.25], Home: [t, 0], End: [t, HIGHEST] }[event.key];
      if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      move(which, to[0], to[1]);
    });
    life.listen(end, "dblclick", () => { own = false; redraw(); });
  });

  const draw = (/** @type {number} */ weight) => {
    if (!own) points = points.map(({ t }) => ({ t, w: Math.min(HIGHEST, weight) }));
    const [a, b] = points;
    const high = (/** @type {number} */ w) => HIGHEST - w;
    attribute(line, "points", `0,${high(a.w)} ${a.t},${high(a.w)} ${b.t},${high(b.w)} ${TOKENS},${high(b.w)}`);
    ends.forEach((end, n) => {
      style(end, "left", `${(100 * points[n].t) / TOKENS}%`);
      style(end, "top", `${100 * (1 - points[n].w / HIGHEST)}%`);
      attribute(end, "aria-valuenow", points[n].w);
      attribute(end, "aria-valuetext", `weight ${points[n].w.toFixed(2)} at token ${points[n].t}`);
    });
    attribute(element, "data-own", own);
  };

  return { element, name, points: () => points, draw };
}
