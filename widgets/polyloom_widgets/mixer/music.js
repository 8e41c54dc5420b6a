// @ts-check
/**
 * The desk of a mix that speaks music: a keyboard with the next note, and music that is written while it is heard.
 *
 * The keyboard shows what each pitch has of the next token under the mix that is drawn, layer by layer, and presses the
 * keys that sound. To play, the page asks for some seconds at a time, always under the faders as they stand; what has been
 * asked for is played, so a fader is heard a moment later. It asks by a timer, which goes on while the page is not seen.
 */
import { attribute, button, make, switchOff, write } from "../base/dom.js";
import { Player } from "../base/sound.js";
import { PATIENCE } from "./desk.js";
import { keyboard } from "./keyboard.js";
import { knobs } from "./knobs.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{notes: number[][], until: number, error?: string}} Written */

const AT_HAND = 2.5; // seconds that are asked for before they are heard
const SAFE = 0.15; // seconds by which what comes too late is moved on
const SUPPLY = 100; // milliseconds

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function music(desk, life) {
  const play = button("Play", { class: "pl-button pl-main" });
  const anew = button("From the beginning", { class: "pl-button pl-small" });
  const said = make("span", { class: "pl-muted", role: "status" });
  const keys = keyboard(desk.layers);
  const knobsPart = knobs(desk, life);
  const element = make("section", { class: "pl-music", "aria-label": "Music" },
    make("div", { class: "pl-bar" }, play, anew, said, make("span", { class: "pl-space" }), knobsPart.element), keys.element);
  const player = new Player(life, desk.redraw);
  let [asked, missed, until, shift, trouble] = [false, false, 0, 0, ""];
  /** @type {{start: number, end: number, pitch: number, layer: number}[]} */
  let sounding = [];
  /** @type {number | undefined} */
  let begun; // after which prompt

  const ask = (/** @type {boolean} */ begin) => {
    asked = true;
    patience.start();
    desk.ask("play", { begin }, (/** @type {Written} */ answer) => {
      asked = missed = false;
      patience.stop();
      trouble = answer.error ?? "";
      if (trouble) { player.pause(); return; }
      const first = Math.min(...answer.notes.map(([start]) => start));
      if (player.playing) shift = Math.max(shift, player.at + SAFE - first);
      const notes = answer.notes.map(([start, length, pitch, velocity, drum]) => ({ start: start + shift, length, pitch, velocity, drum: drum > 0 }));
      until = answer.until + shift;
      player.extend(notes);
      sounding = [...sounding.filter((one) => one.end > player.at), ...answer.notes.map(([start, length, pitch, , , layer]) => ({ start: start + shift, end: start + shift + length, pitch, layer }))];
      if (begin) player.play(0);
      supply.start();
    });
  };
  const begin = () => { begun = desk.bars?.key; player.open(); player.pause(); player.load([], 0); [sounding, shift, until] = [[], 0, 0]; ask(true); };
  const resume = () => {
    if (missed) asked = false; // and ask again
    player.play();
    supply.start();
  };
  const patience = life.timer(PATIENCE, () => { missed = true; desk.redraw(); });
  const supply = life.timer(SUPPLY, () => {
    if (!player.playing) return;
    if (!asked && until - player.at < AT_HAND) ask(false);
    supply.start();
  });
  life.listen(play, "click", () => { if (player.playing) player.pause(); else if (until && begun === desk.bars?.key) resume(); else begin(); });
  life.listen(anew, "click", begin);
  const moving = life.frame(() => follow());
  const follow = () => {
    if (!player.playing) { keys.press([]); return; }
    const now = player.at;
    keys.press(sounding.filter((one) => one.start <= now && now < one.end));
    moving();
  };

  const draw = (/** @type {Picture} */ picture) => {
    const bytes = desk.model.get("keys_p");
    attribute(element, "hidden", !bytes?.byteLength);
    if (!bytes?.byteLength) return;
    keys.draw(bytes, picture.shares, picture.silent);
    attribute(play, "hidden", desk.offline);
    attribute(anew, "hidden", desk.offline || !until);
    for (const one of [play, anew]) switchOff(one, picture.silent && !player.playing);
    write(play, player.playing ? "Pause" : asked && !until ? "Writing…" : "Play");
    write(said, trouble ? `⚠ ${trouble}` : missed ? "⚠ The kernel does not answer: no music comes until it does." : player.playing ? "move a fader: what is written next follows" : "");
    knobsPart.draw();
    moving();
  };
  return { element, draw };
}
