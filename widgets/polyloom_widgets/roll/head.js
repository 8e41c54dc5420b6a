// @ts-check
/**
 * The line over the roll: play, loop, zoom, how loud, where it stands; and below it what changes the notes.
 */
import { attribute, button, make, switchOff, write } from "../base/dom.js";
import { minutes, placeOf } from "./clock.js";
import { looped, turned } from "./walk.js";

/** @typedef {import("./music.js").Music} Music */
/** @typedef {import("./sounding.js").Sounding} Sounding */

/** @param {Music} music @param {Sounding} sounding @param {ReturnType<typeof import("./field.js").field>} roll @param {import("../base/dom.js").Lifetime} life*/
export function head(music, sounding, roll, life) {
  const play = button("Play", { class: "pl-button pl-main" }, "▶ Play");
  const loop = button("Loop", { class: "pl-button pl-small", title: "play one bar, or what a drag over the ruler marks, again and again" });
  const out = button("Zoom out", { class: "pl-button pl-small pl-sign" }, "−");
  const into = button("Zoom in", { class: "pl-button pl-small pl-sign" }, "+");
  const fit = button("Fit", { class: "pl-button pl-small", title: "show all of it" });
  const level = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-level", min: 0, max: 1, step: 0.05, value: 0.8, "aria-label": "Loudness", title: "loudness" }));
  const time = make("span", { class: "pl-time" });
  const element = make("div", { class: "pl-bar" }, play, time, make("span", { class: "pl-space" }), level, loop, out, into, fit);
  sounding.player.level = Number(level.value);
  life.listen(play, "click", () => sounding.toggle());
  life.listen(loop, "click", () => looped(music, sounding.beat));
  life.listen(out, "click", () => roll.zoom(roll.sight.zoom / 1.5));
  life.listen(into, "click", () => roll.zoom(roll.sight.zoom * 1.5));
  life.listen(fit, "click", () => roll.fit());
  life.listen(level, "input", () => { sounding.player.level = Number(level.value); });
  sounding.tick = () => write(time, `bar ${placeOf(music.metres, sounding.beat).bar} · ${minutes(sounding.seconds)} / ${minutes(sounding.length)}`);

  const draw = () => {
    write(play, sounding.playing ? "❚❚ Pause" : "▶ Play");
    attribute(play, "aria-label", sounding.playing ? "Pause" : "Play");
    attribute(play, "title", sounding.playing ? "Pause" : "Play");
    switchOff(play, music.notes.count === 0);
    attribute(loop, "aria-pressed", String(music.loop !== null));
    sounding.tick();
  };
  return { element, draw };
}

/** What moves the chosen note, lets the model go on, and takes it back. @param {Music} music @param {import("../base/dom.js").Lifetime} life */
export function edits(music, life) {
  const up = button("Move the note up", { class: "pl-button pl-small pl-sign" }, "↑");
  const down = button("Move the note down", { class: "pl-button pl-small pl-sign" }, "↓");
  const on = button("Continue from here", { class: "pl-button pl-small", title: "the model writes on from the chosen note" });
  const undo = button("Undo", { class: "pl-button pl-small" });
  const redo = button("Redo", { class: "pl-button pl-small" });
  const said = make("span", { class: "pl-muted" });
  const element = make("div", { class: "pl-bar pl-edits" }, up, down, on, undo, redo, said);
  const by = (/** @type {number} */ step) => () => music.move(music.note, music.carried + step);
  life.listen(up, "click", by(1));
  life.listen(down, "click", by(-1));
  life.listen(on, "click", () => { if (music.writing) music.stop(); else music.goOn(music.note); });
  life.listen(undo, "click", () => turned(music, -1));
  life.listen(redo, "click", () => turned(music, 1));

  const draw = () => {
    attribute(element, "hidden", music.offline);
    for (const one of [up, down]) switchOff(one, !music.movable(music.note));
    attribute(on, "hidden", !music.voices.length);
    write(on, music.writing ? "Stop" : "Continue from here");
    switchOff(on, !music.writing && !music.continuable(music.note));
    switchOff(undo, music.version < 1 || music.writing);
    switchOff(redo, music.version >= music.versions - 1 || music.writing);
    write(said, music.writing ? "the model goes on …" : Number.isFinite(music.parted) ? "moved by hand; what is faint was written before" : "");
  };
  return { element, draw };
}
