// @ts-check
/**
 * The roll by keyboard: arrows walk from note to note, with Shift they move the chosen one.
 */
import { placeOf } from "./clock.js";

/** @typedef {import("./music.js").Music} Music */
/** @typedef {{music: Music, sounding: import("./sounding.js").Sounding, sight: import("./sight.js").Sight, zoom: (zoom: number, x?: number) => void, fit: () => void, step: number}} Plan */

/** @param {KeyboardEvent} event @param {Plan} plan @returns {boolean} whether it meant something */
export function keyPressed(event, { music, sounding, sight, zoom, fit, step }) {
  const { notes, note } = music;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z" || music.offline) return false;
    return turned(music, event.shiftKey ? 1 : -1);
  }
  if (event.altKey) return false;
  if (event.shiftKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    if (note >= 0) music.move(note, music.carried + (event.key === "ArrowUp" ? 1 : -1));
    return true;
  }
  const to = { ArrowRight: Math.min(note + 1, notes.count - 1), ArrowLeft: Math.max(note - 1, 0), Home: 0, End: notes.count - 1, ArrowUp: neighbour(music, 1), ArrowDown: neighbour(music, -1) }[event.key];
  if (to !== undefined) {
    if (notes.count && to !== note) music.set({ note: to });
    return true;
  }
  const middle = note >= 0 ? sight.x(notes.start[note]) : undefined;
  if (event.key === " ") sounding.toggle();
  else if (event.key === "Enter" && note >= 0) { sounding.seek(notes.start[note]); sounding.play(); }
  else if (event.key === "l" || event.key === "L") looped(music, sounding.beat);
  else if (event.key === "+" || event.key === "=") zoom(sight.zoom * step, middle);
  else if (event.key === "-") zoom(sight.zoom / step, middle);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") { if (note < 0 && !music.loop) return false; music.set(note >= 0 ? { note: -1 } : { loop: [] }); }
  else return false;
  return true;
}

/** The nearest note above (1) or below (-1) that sounds together with the chosen one; else the chosen one. @param {Music} music @param {number} way */
export function neighbour(music, way) {
  const { start, end, pitch } = music.notes;
  const from = music.note;
  if (from < 0) return 0;
  const [first, after] = music.between(start[from], Math.max(end[from], start[from] + 1e-6));
  let found = from;
  for (let n = first; n < after; n += 1) {
    const far = way * (pitch[n] - pitch[from]);
    if (end[n] > start[from] && far > 0 && (found === from || far < way * (pitch[found] - pitch[from]))) found = n;
  }
  return found;
}

/** Loop the bar of the chosen note, or that of the play head; where there is a loop, none. @param {Music} music @param {number} at */
export function looped(music, at) {
  const place = placeOf(music.metres, music.note >= 0 ? music.notes.start[music.note] : at);
  music.set({ loop: music.loop ? [] : [place.from, place.to] });
}

/** The version before or after the shown one. @param {Music} music @param {number} way @returns {boolean} */
export function turned(music, way) {
  const version = music.version + way;
  if (version < 0 || version >= music.versions || music.writing) return false;
  music.set({ version });
  return true;
}
