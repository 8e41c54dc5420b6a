// @ts-check
/**
 * The notes that can be seen as a table for those who do not see them; made anew a moment after the window came to rest.
 */
import { make } from "../base/dom.js";
import { noteRows } from "./words.js";

const MOST = 200; // rows
const REST = 250; // milliseconds

/** @param {import("./music.js").Music} music @param {import("./sight.js").Sight} sight @param {import("../base/dom.js").Lifetime} life */
export function twin(music, sight, life) {
  const table = make("table");
  const element = make("div", { class: "pl-hidden" }, table);
  let shown = "";
  const tell = () => {
    const [from, to] = music.between(...sight.beats);
    const now = JSON.stringify([from, to, music.version, music.notes.count, music.voices]);
    if (now === shown) return;
    shown = now;
    const [head, ...rows] = noteRows(music, from, Math.min(to, from + MOST));
    const last = from + rows.length;
    table.replaceChildren(
      make("caption", {}, rows.length ? `Notes ${from + 1} to ${last} of ${music.notes.count}` : "No notes here"),
      make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, n) => (n ? make("td", {}, cell) : make("th", { scope: "row" }, cell)))))));
  };
  const rest = life.timer(REST, tell);
  return { element, draw: () => (shown ? rest.start() : tell()) };
}
