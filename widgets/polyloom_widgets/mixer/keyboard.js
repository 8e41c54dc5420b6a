// @ts-check
/**
 * A keyboard whose keys are filled as high as the next note is likely, each layer's part in its colour.
 *
 * Heights are shares of the likeliest key, so that the shape is seen; the sentence below says how likely a note is at all,
 * and which are first. Keys that sound are pressed in the colour of the layer that chose them.
 */
import { attribute, make, style, write } from "../base/dom.js";
import { isBlack, pitchName } from "../base/pitch.js";
import { best, mixed } from "./mixing.js";
import { layerClasses } from "../base/palette.js";

const [LOW, HIGH] = [36, 96]; // C2 to C7
const PITCHES = 128;
const SELDOM = 0.001; // below that, what comes next is no note
const SPOKEN = 4;

/** @param {import("./desk.js").Layer[]} layers */
export function keyboard(layers) {
  const classes = layerClasses(layers);
  const keys = Array.from({ length: HIGH - LOW + 1 }, (_, n) => pianoKey(LOW + n, classes));
  const row = make("div", { class: "pl-keyboard", "aria-hidden": "true" }, ...keys.map((one) => one.element));
  const octaves = keys.flatMap(({ pitch }, n) => (pitch % 12 ? [] : [octave(pitchName(pitch), (n + 0.5) / keys.length)]));
  const said = make("p", { class: "pl-muted", role: "status" });
  const element = make("div", {}, row, make("div", { class: "pl-octaves", "aria-hidden": "true" }, ...octaves), said);
  /** @type {Float32Array} */
  let rows = new Float32Array(0);
  /** @type {unknown} */
  let source = null;

  const draw = (/** @type {DataView} */ bytes, /** @type {number[]} */ shares, /** @type {boolean} */ silent) => {
    if (bytes !== source) {
      rows = Float32Array.from({ length: bytes.byteLength / 4 }, (_, n) => bytes.getFloat32(4 * n, true));
      source = bytes;
    }
    if (rows.length !== PITCHES * shares.length) return;
    const chance = mixed(rows, shares);
    const most = Math.max(...chance);
    const mass = chance.reduce((sum, one) => sum + one, 0);
    const shown = !silent && mass >= SELDOM;
    keys.forEach((one) => one.draw(shares.map((share, k) => (shown ? (share * rows[PITCHES * k + one.pitch]) / most : 0))));
    const first = best(chance, SPOKEN).filter((pitch) => chance[pitch] > 0.02 * mass).map((pitch) => `${pitchName(pitch)} ${Math.round((100 * chance[pitch]) / mass)}\u202f%`);
    write(said, silent ? "" : shown ? `a note comes next with ${Math.round(100 * mass)}\u202f%; if so, ${first.join(", ")}` : "what comes next is no note");
  };
  const press = (/** @type {{pitch: number, layer: number}[]} */ sounding) => {
    const now = new Map(sounding.map((one) => [one.pitch, one.layer]));
    for (const one of keys) one.press(now.get(one.pitch));
  };
  return { element, draw, press };
}

/** @param {string} label @param {number} at */
function octave(label, at) {
  const element = make("span", {}, label);
  style(element, "left", `${(100 * at).toFixed(2)}%`);
  return element;
}

/** @param {number} pitch @param {string[]} classes */
function pianoKey(pitch, classes) {
  const fills = classes.map((look) => make("i", { class: `pl-key-part ${look}` }));
  const element = make("div", { class: "pl-key-bar", "data-black": isBlack(pitch), title: pitchName(pitch) }, ...fills);
  let pressed = "";
  const draw = (/** @type {number[]} */ parts) => parts.forEach((part, k) => {
    style(fills[k], "height", `${(100 * part).toFixed(1)}%`);
    attribute(fills[k], "hidden", part < 0.004);
  });
  const press = (/** @type {number | undefined} */ layer) => {
    const now = layer === undefined ? "" : (classes[layer] ?? "pl-layer pl-layer-none");
    if (now === pressed) return;
    if (pressed) element.classList.remove(...pressed.split(" "));
    if (now) element.classList.add(...now.split(" "));
    pressed = now;
    attribute(element, "data-pressed", now !== "");
  };
  return { element, pitch, draw, press };
}
