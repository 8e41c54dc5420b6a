// @ts-check
/**
 * The roll on a canvas: what can be seen of rows, lines and notes, then keys, ruler and play head over them.
 *
 * Colours are those that the theme gives to the inks, elements that nobody sees; so the canvas follows light, dark and
 * the colours of the system as the rest of the view does.
 */
import { isBlack, pitchName } from "../base/pitch.js";
import { barsBetween, beatsBetween } from "./clock.js";
import { KEYS, RULER } from "./sight.js";

/** @typedef {import("./sight.js").Sight} Sight */
/** @typedef {import("./music.js").Music} Music */
/** @typedef {{fill: string, edge: string, hatched: boolean, letter: string}} Ink */
/** @typedef {{text: string, muted: string, line: string, track: string, surface: string, ghost: string, focus: string, kinds: Ink[]}} Inks */
/** @typedef {{music: Music, sight: Sight, inks: Inks, at: number, playing: boolean, sounding: Set<number>, focused: boolean}} Scene `at` is a beat */

const APART = 7; // pixels between lines, at least
const NUMBERED = 34; // pixels between two numbers of bars
const LETTERED = [10, 9]; // pixels of a note that has its letter
const FAINT = { quiet: 0.25, past: 0.4 }; // notes that are not heard; what the model has not gone on to
const FONT = "px ui-sans-serif, system-ui, sans-serif";

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
export function paintRoll(context, scene) {
  const { sight, inks } = scene;
  context.fillStyle = inks.surface;
  context.fillRect(0, 0, sight.width, sight.height);
  rowsOf(context, scene);
  loopOf(context, scene);
  barsOf(context, scene);
  notesOf(context, scene);
  keysOf(context, scene);
  rulerOf(context, scene);
  headOf(context, scene);
}

/** Rows of black keys are darker, a line stands under every C. @param {CanvasRenderingContext2D} context @param {Scene} scene */
function rowsOf(context, { sight, inks }) {
  context.fillStyle = inks.track;
  context.globalAlpha = 0.5;
  for (let pitch = sight.low; pitch <= sight.high; pitch += 1) {
    if (isBlack(pitch)) context.fillRect(KEYS, sight.y(pitch), sight.width, sight.row);
  }
  context.globalAlpha = 1;
  context.fillStyle = inks.line;
  for (let pitch = sight.low; pitch <= sight.high; pitch += 1) {
    if (pitch % 12 === 0) context.fillRect(KEYS, sight.y(pitch) + sight.row - 1, sight.width, 1);
  }
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
function loopOf(context, { music, sight, inks }) {
  if (!music.loop) return;
  const [from, to] = music.loop;
  context.fillStyle = inks.focus;
  context.globalAlpha = 0.12;
  context.fillRect(sight.x(from), RULER, sight.zoom * (to - from), sight.height);
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
function barsOf(context, { music, sight, inks }) {
  const [from, to] = sight.beats;
  const shortest = Math.min(...music.metres.map((metre) => metre[2]));
  context.fillStyle = inks.line;
  if (shortest * sight.zoom >= APART) for (const beat of beatsBetween(music.metres, from, to)) context.fillRect(Math.round(sight.x(beat)), RULER, 1, sight.height);
  context.fillStyle = inks.muted;
  context.globalAlpha = 0.7;
  for (const { beat } of barsBetween(music.metres, from, to, spread(sight, APART))) context.fillRect(Math.round(sight.x(beat)), RULER, 1, sight.height);
  context.globalAlpha = 1;
}

/** Of how many bars one is shown, so that they are so far apart. @param {Sight} sight @param {number} pixels */
function spread(sight, pixels) {
  return 2 ** Math.max(0, Math.ceil(Math.log2(pixels / (sight.music.metres[0][1] * sight.zoom))));
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
function notesOf(context, scene) {
  const { music, sight } = scene;
  const { notes, note: chosen, parted } = music;
  const [from, to] = sight.beats;
  const [first, after] = music.between(from, to);
  context.font = `600 ${Math.min(12, sight.row - 1)}${FONT}`;
  context.textBaseline = "middle";
  context.textAlign = "start";
  for (let n = first; n < after; n += 1) {
    if (notes.end[n] <= from) continue;
    const quiet = !music.sounds(notes.part[n]);
    context.globalAlpha = quiet ? FAINT.quiet : notes.step[n] > parted && notes.hand[n] === 0 ? FAINT.past : 1;
    drawnNote(context, scene, n, n === chosen && music.lifted >= 0 ? music.lifted : notes.pitch[n]);
  }
  context.globalAlpha = 1;
  for (const n of [music.hover, chosen]) if (n >= first && n < after) ring(context, scene, n);
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} n @param {number} pitch */
function drawnNote(context, { music, sight, inks }, n, pitch) {
  const { start, end, hand } = music.notes;
  const [x, y] = [sight.x(start[n]), sight.y(pitch)];
  const [width, height] = [Math.max(1.5, (end[n] - start[n]) * sight.zoom - 1), sight.row - 1];
  const ink = inks.kinds[music.kind(n)];
  const put = hand[n] > 0;
  context.fillStyle = put ? inks.text : ink?.fill ?? inks.ghost;
  context.fillRect(x, y, width, height);
  if (width < 4) return;
  if (ink?.hatched && !put) hatch(context, ink.edge, x, y, width, height);
  context.strokeStyle = put ? inks.text : ink?.edge ?? inks.text;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
  if (width < LETTERED[0] || height < LETTERED[1]) return;
  context.fillStyle = put ? inks.surface : contrast(context.fillStyle);
  const letter = put ? "✎" : ink?.letter ?? "";
  const from = Math.max(x, KEYS); // it stands in the part that can be seen
  if (letter && x + width - from >= LETTERED[0]) context.fillText(letter, from + 3, y + height / 2 + 0.5, width - 4);
}

/** Slanting lines over a note, for colours that come a second time. @param {CanvasRenderingContext2D} context @param {string} colour @param {number} x @param {number} y @param {number} width @param {number} height */
function hatch(context, colour, x, y, width, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  for (let at = -height; at < width; at += 5) { context.moveTo(x + at, y + height); context.lineTo(x + at + height, y); }
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene @param {number} n */
function ring(context, { music, sight, inks, focused }, n) {
  const { start, end, pitch } = music.notes;
  const chosen = n === music.note;
  const height = chosen && music.lifted >= 0 ? music.lifted : pitch[n];
  context.strokeStyle = chosen && focused ? inks.focus : inks.text;
  context.lineWidth = chosen ? 2.5 : 1.5;
  const far = chosen ? 2.5 : 1.5;
  context.strokeRect(sight.x(start[n]) - far, sight.y(height) - far, Math.max(1.5, (end[n] - start[n]) * sight.zoom - 1) + 2 * far, sight.row - 1 + 2 * far);
}

/** Light and dark keys, whatever the theme. @param {CanvasRenderingContext2D} context @param {Scene} scene */
function keysOf(context, { music, sight, inks, sounding }) {
  const looked = music.looked >= 0 ? music.notes.pitch[music.looked] : -1;
  context.fillStyle = inks.surface;
  const [light, dark] = contrast(context.fillStyle) === "#000" ? [inks.surface, inks.text] : [inks.text, inks.surface];
  context.font = `${Math.min(11, sight.row + 2)}${FONT}`;
  context.textBaseline = "middle";
  context.textAlign = "end";
  context.fillStyle = light;
  context.fillRect(0, 0, KEYS - 1, sight.height);
  for (let pitch = sight.low; pitch <= sight.high; pitch += 1) {
    const y = sight.y(pitch);
    const black = isBlack(pitch);
    const lit = sounding.has(pitch) || pitch === looked;
    context.fillStyle = lit ? inks.focus : black ? dark : light;
    context.fillRect(0, y, black ? 0.58 * KEYS : KEYS - 1, sight.row - (black ? 0 : 0.5));
    context.fillStyle = inks.ghost;
    if (pitch % 12 === 0 || pitch % 12 === 5) context.fillRect(0, y + sight.row - 1, KEYS - 1, 1);
    if (pitch % 12) continue;
    context.fillStyle = lit ? inks.surface : dark;
    context.fillText(pitchName(pitch), KEYS - 5, y + sight.row / 2, KEYS - 8);
  }
  context.fillStyle = inks.muted;
  context.fillRect(KEYS - 1, 0, 1, sight.height);
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
function rulerOf(context, { music, sight, inks }) {
  const [from, to] = sight.beats;
  context.fillStyle = inks.surface;
  context.fillRect(0, 0, sight.width, RULER - 1);
  context.save();
  context.beginPath();
  context.rect(KEYS, 0, sight.width, sight.height);
  context.clip();
  if (music.loop) {
    const [a, b] = music.loop.map((beat) => sight.x(beat));
    context.fillStyle = inks.focus;
    context.fillRect(a, RULER - 5, b - a, 4);
    for (const x of [a, b - 2]) context.fillRect(x, 4, 2, RULER - 4);
  }
  context.font = `11${FONT}`;
  context.textAlign = "start";
  context.textBaseline = "middle";
  context.fillStyle = inks.muted;
  const every = spread(sight, NUMBERED);
  for (const { beat, bar } of barsBetween(music.metres, from - NUMBERED / sight.zoom, to, every)) {
    const x = Math.round(sight.x(beat));
    context.fillRect(x, RULER - 8, 1, 7);
    context.fillText(String(bar), x + 4, 9);
  }
  context.restore();
  context.fillStyle = inks.muted;
  context.fillRect(0, RULER - 1, sight.width, 1);
}

/** @param {CanvasRenderingContext2D} context @param {Scene} scene */
function headOf(context, { sight, inks, at }) {
  const x = Math.round(sight.x(at));
  if (x < KEYS || x > sight.width) return;
  context.fillStyle = inks.text;
  context.fillRect(x, 0, 1.5, sight.height);
  context.beginPath();
  context.moveTo(x - 5, 0);
  context.lineTo(x + 6.5, 0);
  context.lineTo(x + 0.75, 8);
  context.fill();
}

/** Black or white, whichever can be read on a colour. @param {string | CanvasGradient | CanvasPattern} fill as the canvas gives it back */
export function contrast(fill) {
  const found = /^#(..)(..)(..)/.exec(String(fill));
  const [red, green, blue] = found ? found.slice(1).map((part) => (parseInt(part, 16) / 255) ** 2.2) : [0, 0, 0];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff";
}
