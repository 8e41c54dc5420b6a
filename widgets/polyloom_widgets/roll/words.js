// @ts-check
/**
 * Notes in words, for the eye and for the ear; letters that stand for names; a score as a table.
 */
import { pitchName } from "../base/pitch.js";
import { placeOf } from "./clock.js";

/** @typedef {import("./music.js").Music} Music */

/** @type {[number, string, string][]} */
const LENGTHS = [[0.125, "⅛ beat", "an eighth of a beat"], [0.25, "¼ beat", "a quarter of a beat"], [1 / 3, "⅓ beat", "a third of a beat"], [0.5, "½ beat", "half a beat"], [2 / 3, "⅔ beat", "two thirds of a beat"], [0.75, "¾ beat", "three quarters of a beat"], [1, "1 beat", "one beat"], [1.5, "1½ beats", "one and a half beats"], [2.5, "2½ beats", "two and a half beats"]];

/** What a note is called; percussion has no pitch. @param {Music} music @param {number} note */
export function calledNote(music, note) {
  const { pitch, drum } = music.notes;
  return drum[note] ? `drum ${pitch[note]}` : pitchName(pitch[note]);
}

/** @param {number} beats @param {boolean} [aloud] */
export function lengthName(beats, aloud = false) {
  const known = LENGTHS.find(([length]) => Math.abs(length - beats) < 0.01);
  if (known) return known[aloud ? 2 : 1];
  const rounded = Number(beats.toFixed(2));
  return `${rounded} beat${rounded === 1 ? "" : "s"}`;
}

/** bar 3 beat 2 @param {Music} music @param {number} beat */
export function placeName(music, beat) {
  const place = placeOf(music.metres, beat);
  return `bar ${place.bar} beat ${Number(place.beat.toFixed(2))}`;
}

/** Who chose a note, and how much of it. @param {Music} music @param {number} note */
export function chooserName(music, note) {
  const { voice, percent, hand, step, part } = music.notes;
  if (!music.voices.length) return music.parts.length > 1 ? `part ${music.parts[part[note]]}` : "";
  if (hand[note]) return "put by hand";
  if (voice[note] >= 0) return `voice ${music.voices[voice[note]]} ${percent[note]}\u202f%`;
  return step[note] < 0 ? "given to the model" : "";
}

/** A note as it is spoken: C sharp 4, bar 3 beat 2, half a beat, voice folk 71 %. @param {Music} music @param {number} note */
export function spokenNote(music, note) {
  const { start, end } = music.notes;
  const parts = [calledNote(music, note).replace("♯", " sharp "), placeName(music, start[note]), lengthName(end[note] - start[note], true), chooserName(music, note)];
  return parts.filter(Boolean).join(", ");
}

/** What else could have come, as it is shown: a note by name, anything else as its token. @param {string} piece @param {number} pitch */
export function otherName(piece, pitch) {
  if (pitch >= 0) return pitchName(pitch);
  return piece === "</s>" ? "the end" : piece.replace(/^<|>$/g, "").replace(/_/g, " ").toLowerCase();
}

/** A letter for each name: the figure at its end, else its first letter, where those are free. @param {string[]} names @returns {string[]} */
export function lettersFor(names) {
  const taken = new Set();
  return names.map((name) => {
    const wanted = [.../\d$/.exec(name) ?? [], ...name.toUpperCase(), ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"].filter((letter) => /[\p{L}\p{N}]/u.test(letter));
    const letter = wanted.find((one) => !taken.has(one)) ?? "·";
    taken.add(letter);
    return letter;
  });
}

/** The notes as a table, a head first. @param {Music} music @param {number} [from] @param {number} [to] @returns {string[][]} */
export function noteRows(music, from = 0, to = music.notes.count) {
  const { start, end, velocity, part, voice, percent } = music.notes;
  const chosen = music.voices.length > 0;
  const rows = Array.from({ length: Math.max(0, to - from) }, (_, n) => n + from).map((n) => {
    const place = placeOf(music.metres, start[n]);
    const who = chosen ? [voice[n] >= 0 ? music.voices[voice[n]] : chooserName(music, n), voice[n] >= 0 ? (percent[n] / 100).toFixed(2) : ""] : [];
    return [calledNote(music, n), String(place.bar), String(Number(place.beat.toFixed(3))), String(Number((end[n] - start[n]).toFixed(3))), String(velocity[n]), music.parts[part[n]] ?? "", ...who];
  });
  return [["note", "bar", "beat", "beats", "velocity", "part", ...(chosen ? ["voice", "share"] : [])], ...rows];
}
