// @ts-check
/**
 * The roll as sound: the notes of the parts that are heard, in seconds, to the player; the play head in beats from it.
 */
import { Player } from "../base/sound.js";
import { beatAt, secondsAt } from "./clock.js";

/** @typedef {import("./music.js").Music} Music */

export class Sounding {
  /** @param {Music} music @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
  constructor(music, life, redraw) {
    this.music = music;
    this.player = new Player(life, redraw);
    this.loaded = /** @type {unknown[]} */ ([]);
    this.looped = "";
    this.chosen = "";
    /** What is written anew in each frame while it plays. @type {() => void} */
    this.tick = () => {};
  }

  get playing() { return this.player.playing; }
  /** Where the play head stands. */
  get beat() { return beatAt(this.music.tempi, this.player.at); }
  get seconds() { return this.player.at; }
  get length() { return secondsAt(this.music.tempi, this.music.length); }

  /** Hand on what changed: notes, parts, loop. */
  draw() {
    const { music } = this;
    const now = [music.notes, music.tempi, music.muted, music.soloed];
    if (now.some((one, n) => one !== this.loaded[n])) {
      this.loaded = now;
      this.player.load(this.heard(), this.length);
    }
    this.touched();
    const loop = music.draft ? this.looped : JSON.stringify(music.loop);
    if (loop === this.looped) return;
    this.looped = loop;
    this.player.loop = music.loop && [secondsAt(music.tempi, music.loop[0]), secondsAt(music.tempi, music.loop[1])];
  }

  /** A note that a hand chooses or carries is heard, unless the music is. */
  touched() {
    const { music } = this;
    const chosen = `${music.note} ${music.carried}`;
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    if (music.note < 0 || this.playing || !navigator.userActivation?.isActive) return;
    this.player.touch(music.carried, music.notes.velocity[music.note], music.notes.drum[music.note] > 0);
  }

  /** @returns {import("../base/sound.js").Heard[]} */
  heard() {
    const { notes, tempi } = this.music;
    const found = [];
    for (let n = 0; n < notes.count; n += 1) {
      if (!this.music.sounds(notes.part[n])) continue;
      const start = secondsAt(tempi, notes.start[n]);
      found.push({ start, length: secondsAt(tempi, notes.end[n]) - start, pitch: notes.pitch[n], velocity: notes.velocity[n], drum: notes.drum[n] > 0 });
    }
    return found;
  }

  /** The pitches that sound at a beat. @param {number} beat @returns {Set<number>} */
  pitches(beat) {
    const found = /** @type {Set<number>} */ (new Set());
    if (!this.playing) return found;
    const { notes } = this.music;
    const [first, after] = this.music.between(beat, beat + 1e-6);
    for (let n = first; n < after; n += 1) if (notes.end[n] > beat && this.music.sounds(notes.part[n])) found.add(notes.pitch[n]);
    return found;
  }

  toggle() {
    if (this.playing) this.player.pause();
    else this.play();
  }

  play() {
    if (!this.playing) this.player.play();
  }

  /** @param {number} beat */
  seek(beat) {
    this.player.seek(secondsAt(this.music.tempi, beat));
  }
}
