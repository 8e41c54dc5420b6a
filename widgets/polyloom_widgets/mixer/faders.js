// @ts-check
/**
 * The strips: one for each layer, with its weight, its track, its share, mute and solo.
 *
 * A track is an ARIA slider: arrows 0.05, with Shift 0.01, Page 0.25, Home and End, a double click for the starting weight.
 * It runs from 0 to 2, or to 4 where a larger weight was typed. What a hand does is a draft; letting go is one step.
 */
import { attribute, button, make, numberField, style, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("../base/dom.js").Lifetime} Lifetime */

const MOST = 4;
const STANDSTILL = 500; // milliseconds after the last key until a held key's way is one step
const KEYS = /** @type {Record<string, number>} */ ({ ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 });

/** @param {Desk} desk @param {Lifetime} life @param {Element} root */
export function faders(desk, life, root) {
  const classes = layerClasses(desk.layers);
  const strips = desk.layers.map((layer, k) => strip(desk, life, root, layer, k, classes[k]));
  const element = make("div", { class: "pl-faders", role: "group", "aria-label": "Faders" }, ...strips.map((one) => one.element));
  return { element, draw: (/** @type {Picture} */ picture) => strips.forEach((one) => one.draw(picture)) };
}

/** @param {Desk} desk @param {Lifetime} life @param {Element} root @param {import("./desk.js").Layer} layer @param {number} k @param {string} look */
function strip(desk, life, root, layer, k, look) {
  const { name } = layer;
  const said = (/** @type {number} */ weight) => `${name} ${weight.toFixed(2)}`;
  const weights = (/** @type {number} */ weight) => ({ weights: (desk.draft ?? desk.committed).weights.map((old, i) => (i === k ? weight : old)) });
  const field = numberField(life, {
    label: `weight of ${name}`, least: 0, most: MOST, step: 0.05, digits: 2, report: (weight) => desk.commit(weights(weight), said(weight)),
  });
  const thumb = make("div", {
    class: "pl-thumb", role: "slider", tabindex: "0", "aria-label": name, "aria-valuemin": "0", "aria-orientation": "vertical",
  }, String(k + 1));
  const track = make("div", { class: "pl-track", title: `${name}: drag, or use the arrow keys; double-click for ${layer.start.toFixed(2)}` },
    make("div", { class: "pl-groove" }, make("div", { class: "pl-level" })), make("div", { class: "pl-one" }), thumb);
  const share = make("span", { class: "pl-share", title: `share of ${name} in the mix` });
  const mute = button("M", { class: "pl-button pl-key", "aria-label": `mute ${name}`, title: `mute ${name}` });
  const solo = button("S", { class: "pl-button pl-key", "aria-label": `solo ${name}`, title: `solo ${name} (Ctrl adds)` });
  const element = make("div", { class: `pl-strip ${look}`, role: "group", "aria-label": name },
    make("div", { class: "pl-cap" }), make("div", { class: name.length > 9 ? "pl-name pl-long" : "pl-name", title: name }, name), field.element, track, share,
    make("div", { class: "pl-keys" }, mute, solo));

  const still = life.timer(STANDSTILL, () => settle());
  const settle = () => { still.stop(); if (desk.draft) desk.release(said(desk.draft.weights[k])); };
  const end = () => (Math.max(desk.committed.weights[k], desk.step.weights[k]) > 2 ? MOST : 2);
  slide(desk, life, track, thumb, { end, now: () => (desk.draft ?? desk.committed).weights[k], move: (weight) => desk.drag(weights(weight)), settle });
  life.listen(thumb, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape" && desk.dragging) { still.stop(); desk.forget(); event.stopPropagation(); return; }
    const old = (desk.draft ?? desk.committed).weights[k];
    const turn = KEYS[event.key] * (event.shiftKey && event.key.startsWith("Arrow") ? 0.01 : 0.05);
    const next = event.key === "Home" ? 0 : event.key === "End" ? end() : old + turn;
    if (Number.isNaN(next)) return;
    event.preventDefault();
    desk.drag(weights(bounded(next, end())));
    still.start();
  });
  life.listen(thumb, "keyup", (/** @type {KeyboardEvent} */ event) => { if (event.key in KEYS || event.key === "Home" || event.key === "End") settle(); });
  life.listen(thumb, "blur", () => { if (still.waiting()) settle(); });
  life.listen(track, "dblclick", () => desk.commit(weights(layer.start), said(layer.start)));
  life.listen(mute, "click", () => {
    const muted = desk.committed.muted.map((old, i) => (i === k ? !old : Boolean(old)));
    desk.commit({ muted }, `${name} ${muted[k] ? "muted" : "no longer muted"}`);
  });
  life.listen(solo, "click", (/** @type {MouseEvent} */ event) => {
    const on = !desk.committed.soloed[k];
    const adds = event.ctrlKey || event.metaKey;
    const soloed = desk.committed.soloed.map((old, i) => (i === k ? on : adds && Boolean(old)));
    desk.commit({ soloed }, `${name} ${on ? "solo" : "no longer solo"}`);
  });
  life.listen(element, "pointerenter", () => speakUp(root, k));
  life.listen(element, "pointerleave", () => { if (!desk.dragging) speakUp(root, null); });
  life.listen(element, "focusin", (/** @type {FocusEvent} */ event) => { if (/** @type {Element} */ (event.target).matches(":focus-visible")) speakUp(root, k); });
  life.listen(element, "focusout", () => speakUp(root, null));

  return { element, draw: (/** @type {Picture} */ { step, shares, weights: sounding }) => {
    const weight = step.weights[k];
    const percent = Math.round(shares[k] * 100);
    const state = step.muted[k] ? ", muted" : sounding[k] === 0 && weight > 0 ? ", silent while another layer is solo" : "";
    field.show(Number(weight.toFixed(2)));
    style(element, "--pl-at", (Math.min(weight, end()) / end()).toFixed(4));
    style(element, "--pl-tick", String(1 / end()));
    write(share, `${percent}\u202f%`);
    attribute(element, "data-silent", sounding[k] === 0);
    attribute(mute, "aria-pressed", String(Boolean(step.muted[k])));
    attribute(solo, "aria-pressed", String(Boolean(step.soloed[k])));
    attribute(thumb, "aria-valuemax", end());
    attribute(thumb, "aria-valuenow", Number(weight.toFixed(2)));
    attribute(thumb, "aria-valuetext", `${name}, weight ${weight.toFixed(2)}, ${percent} percent share${state}`);
  } };
}

/**
 * A pointer on a track. On the thumb it takes hold where it touches; elsewhere the thumb comes to it.
 * @param {Desk} desk @param {Lifetime} life @param {HTMLElement} track @param {HTMLElement} thumb
 * @param {{end: () => number, now: () => number, move: (weight: number) => void, settle: () => void}} hand
 */
function slide(desk, life, track, thumb, hand) {
  let hold = NaN; // distance from the thumb's middle, in pixels, while a pointer is down
  let end = 2;
  const place = (/** @type {PointerEvent} */ event) => {
    const box = track.getBoundingClientRect();
    const lying = box.width > box.height;
    const room = lying ? box.width - thumb.offsetWidth : box.height - thumb.offsetHeight;
    const at = lying ? event.clientX - box.left - thumb.offsetWidth / 2 : box.bottom - event.clientY - thumb.offsetHeight / 2;
    return { at, room };
  };
  const move = (/** @type {PointerEvent} */ event) => {
    const { at, room } = place(event);
    hand.move(bounded((Math.max(0, Math.min(room, at - hold)) / room) * end, end));
  };
  life.listen(track, "pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    const { at, room } = place(event);
    end = hand.end();
    hold = event.target === thumb ? at - (hand.now() / end) * room : 0;
    track.setPointerCapture(event.pointerId);
    thumb.focus(/** @type {FocusOptions} */ ({ preventScroll: true, focusVisible: false }));
    event.preventDefault();
    if (hold === 0) move(event);
  });
  life.listen(track, "pointermove", (event) => { if (!Number.isNaN(hold)) move(event); });
  life.listen(track, "pointerup", () => { if (!Number.isNaN(hold)) { hold = NaN; hand.settle(); } });
  life.listen(track, "pointercancel", () => { hold = NaN; desk.forget(); });
}

/** To the hundredth, within the track. @param {number} weight @param {number} end */
function bounded(weight, end) {
  return Math.round(Math.min(end, Math.max(0, weight)) * 100) / 100;
}

/** Let one layer speak up in the bars while its strip is looked at; null: all again. @param {Element} root @param {number | null} loud */
function speakUp(root, loud) {
  root.toggleAttribute("data-loud", loud !== null);
  for (const part of root.querySelectorAll(".pl-part")) part.toggleAttribute("data-loud", loud !== null && part.getAttribute("data-layer") === String(loud));
}
