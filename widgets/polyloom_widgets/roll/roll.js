// @ts-check
/**
 * Music, seen and heard: a roll of notes that plays, says who chose each note and why, and lets a model go on.
 *
 * `render` puts the parts together, draws them once a frame at most, and returns the clean-up. Each part is a function
 * that makes its elements and returns `{element, draw}`; the roll itself paints in frames of its own, while it scrolls
 * and while it plays.
 */
import { make, write } from "../base/dom.js";
import { saving } from "../base/save.js";
import { Stage } from "../base/stage.js";
import { field } from "./field.js";
import { edits, head } from "./head.js";
import { Music } from "./music.js";
import { reasonLine } from "./reason.js";
import { Sounding } from "./sounding.js";
import { tracks } from "./tracks.js";
import { twin } from "./twin.js";
import { noteRows, spokenNote } from "./words.js";

const TRAITS = ["times", "facts", "parts", "voices", "tempi", "metres", "note", "loop", "zoom", "muted", "soloed", "version", "versions", "goes_on", "reasons", "error"];

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "roll", "Piano roll");
  const { life, root, redraw, questions } = stage;
  const music = new Music(model, questions, redraw);
  const sounding = new Sounding(music, life, redraw);
  const roll = field(music, sounding, life, redraw);
  const headPart = head(music, sounding, roll, life);
  const parts = [headPart, tracks(music, life), edits(music, life), reasonLine(music, life), twin(music, roll.sight, life)];
  headPart.element.append(saving(life, root, { name: "roll", rows: () => noteRows(music) }));
  const speech = make("div", { class: "pl-hidden", role: "status", "aria-live": "polite" });
  const [tracksPart, ...below] = parts.slice(1);
  root.append(headPart.element, stage.banner, tracksPart.element, roll.element, ...below.map((part) => part.element), roll.inks, speech);
  let told = "";
  let wrote = false;

  const draw = () => {
    sounding.draw();
    roll.draw();
    for (const part of parts) part.draw();
    stage.tell(music.failure);
    const spoken = music.note >= 0 ? spokenNote(music, music.note) : "";
    if (wrote && !music.writing) write(speech, `${music.notes.count} notes now. ${spoken}`);
    else if (spoken !== told) write(speech, spoken);
    [told, wrote] = [spoken, music.writing];
  };
  const close = stage.open(el, TRAITS, draw);
  return () => { music.stop(); close(); };
}

export default { render };
