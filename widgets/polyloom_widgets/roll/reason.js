// @ts-check
/**
 * Why a note is there: how surprising it was, who spoke for it, what else could have come. A click on another note puts it there.
 */
import { attribute, make, probability, roundEnd, style, write } from "../base/dom.js";
import { chip, namedClasses } from "./inks.js";
import { calledNote, chooserName, lengthName, lettersFor, otherName, placeName } from "./words.js";

/** @typedef {import("./music.js").Music} Music */
/** @typedef {import("./music.js").Reason} Reason */

const SEEN = 0.005; // shares below have no room

/** @param {Music} music @param {import("../base/dom.js").Lifetime} life */
export function reasonLine(music, life) {
  const name = make("b", { class: "pl-note-name" });
  const place = make("span", { class: "pl-muted" });
  const shares = make("span", { class: "pl-note-shares" });
  const others = make("ol", { class: "pl-others", "aria-label": "What could have come here" });
  const element = make("section", { class: "pl-reason", "aria-label": "Why this note" }, make("p", { class: "pl-reason-head" }, name, place), shares, others);
  let drawn = /** @type {unknown[]} */ ([]);
  life.listen(others, "click", (/** @type {MouseEvent} */ event) => {
    const pitch = /** @type {Element} */ (event.target).closest("[data-pitch]")?.getAttribute("data-pitch");
    if (pitch) music.move(music.note, Number(pitch));
  });

  const draw = () => {
    const note = music.looked;
    const reason = note >= 0 ? music.reason(note) : null;
    const now = [note, reason, music.notes, music.note, music.writing, music.offline];
    if (now.every((one, n) => one === drawn[n]) && drawn.length) return;
    drawn = now;
    attribute(element, "data-brief", music.voices.length === 0);
    if (note < 0) {
      write(name, "");
      write(place, music.notes.count ? "Point at a note, or walk with the arrow keys." : "A score without notes.");
      shares.replaceChildren();
      others.replaceChildren();
      return;
    }
    const { start, end, hand, step, velocity } = music.notes;
    const bits = reason ? `${reason.bits.toFixed(1)} bits of surprise` : "";
    const who = hand[note] === 2 ? "moved by hand, the model has not gone on from here" : music.voices.length && step[note] < 0 ? "given to the model" : hand[note] ? "put by hand" : "";
    const loud = music.voices.length ? "" : [chooserName(music, note), `velocity ${velocity[note]}`].filter(Boolean).join(", ");
    write(name, calledNote(music, note));
    write(place, [placeName(music, start[note]), lengthName(end[note] - start[note]), who, bits, loud].filter(Boolean).join(" · "));
    shares.replaceChildren(...(reason ? sharesOfNote(music, reason) : []));
    const came = music.notes.pitch[note];
    const listed = reason ? [...reason.others] : [];
    if (reason && !listed.some(([, pitch]) => pitch === came)) listed.push(["", came, reason.p]);
    const most = roundEnd(Math.max(0, ...listed.map(([, , p]) => p)));
    const free = note === music.note && music.movable(note);
    others.replaceChildren(...listed.map((other) => make("li", {}, alternative(other, came, most, free))));
  };
  return { element, draw };
}

/** A bar of who spoke, and the largest shares in words. @param {Music} music @param {Reason} reason */
function sharesOfNote(music, reason) {
  const [classes, letters] = [namedClasses(music.voices), lettersFor(music.voices)];
  const parts = Object.entries(reason.shares).filter(([, share]) => share > SEEN).sort((a, b) => b[1] - a[1]);
  const bar = make("span", { class: "pl-share-bar", "aria-hidden": "true" });
  for (const [name, share] of parts) {
    const part = make("i", { class: `pl-share-part ${classes[music.voices.indexOf(name)] ?? ""}` });
    style(part, "flex-grow", share.toFixed(4));
    bar.append(part);
  }
  const named = parts.slice(0, 3).map(([name, share]) => {
    const at = music.voices.indexOf(name);
    return make("span", { class: "pl-voice" }, chip(letters[at] ?? "", classes[at] ?? ""), `${name} ${Math.round(100 * share)}\u202f%`);
  });
  return [bar, ...named];
}

/** @param {[string, number, number]} other @param {number} came @param {number} most @param {boolean} free whether a click may put it there */
function alternative([piece, pitch, p], came, most, free) {
  const bar = make("i", { class: "pl-other-bar" });
  style(bar, "width", `${Math.min(100, (100 * p) / most).toFixed(1)}%`);
  const here = pitch >= 0 && pitch === came;
  const inner = [make("span", { class: "pl-other-name" }, otherName(piece, pitch)), make("span", { class: "pl-other-field", "aria-hidden": "true" }, bar), make("span", { class: "pl-other-p" }, probability(p))];
  if (!free || pitch < 0 || here) return make("span", { class: "pl-other", "data-came": here, title: here ? "this is what came" : "" }, ...inner);
  return make("button", { type: "button", class: "pl-other", "data-pitch": pitch, title: "put this note here" }, ...inner);
}
