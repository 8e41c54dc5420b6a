// @ts-check
/**
 * Notes as sound: a small polyphonic synthesiser on Web Audio, the same recipe as `polyloom.music.synth`.
 *
 *     note(t) = loudness · envelope(t) · Σ_h a_h sin(2π h f t)        f = 440 · 2^((pitch − 69) / 12)
 *
 * The envelope rises and falls over milliseconds by half a cosine, from 0 to 0, so nothing clicks: not where a note
 * begins or ends, nor where it is cut off by a pause, a jump or the end of a loop. Notes are handed to the audio clock a
 * moment ahead, by a timer that may be late; what is heard is exact to the sample. A page that was busy for longer leaves
 * out what it missed, rather than let it sound all at once.
 *
 * The audio of a page may only begin after a click, so the context is made at the first `play`; whoever must wait for the
 * notes calls `open` within the click.
 */

/** @typedef {{start: number, length: number, pitch: number, velocity: number, drum: boolean}} Heard start and length in seconds */
/** @typedef {{level: GainNode, source: AudioScheduledSourceNode, until: number}} Voice */

const ATTACK = 0.008; // seconds
const RELEASE = 0.06;
const FADE = 1.6; // in which a note falls to 1/e
const DRUM = 0.09;
const PARTIALS = [0, 1, 0.42, 0.23, 0.12, 0.07, 0.04];
const FULL = 0.25; // of full scale: one loud note, so that chords have room
const AHEAD = 0.2; // seconds that are handed on ahead
const EVERY = 50; // milliseconds
const SOON = 0.02; // seconds from the click to the first note
const LATE = 0.05; // seconds
const TOUCH = 0.35; // seconds that a touched note is held
const LEFT = 0.03; // seconds of a note that is joined late
const IDLE = 10_000; // milliseconds of silence after which the loudspeaker is given back
const CUT = 0.012; // seconds in which a cut note falls silent
const LIMIT = { threshold: -3, knee: 3, ratio: 20, attack: 0.001 }; // decibels and seconds

const half = (/** @type {number} */ from, /** @type {number} */ to) => Float32Array.from({ length: 33 }, (_, n) => from + (to - from) * (0.5 - 0.5 * Math.cos((Math.PI * n) / 32)));
/** From −√3 to √3, so that its power is 1, as that of Python's. @param {BaseAudioContext} context */
const noise = (context) => {
  const buffer = context.createBuffer(1, context.sampleRate / 2, context.sampleRate);
  const samples = buffer.getChannelData(0);
  let state = 1;
  for (let n = 0; n < samples.length; n += 1) { state = (state * 48271) % 2147483647; samples[n] = Math.sqrt(3) * (state / 1073741823.5 - 1); }
  return buffer;
};

/** What keeps many loud notes at once within the scale, and leaves all others as they are. @param {BaseAudioContext} context */
export const limiter = (context) => new DynamicsCompressorNode(context, LIMIT);

/** What sounds are made of, once for each context. */
export class Timbre {
  /** @param {BaseAudioContext} context */
  constructor(context) {
    this.context = context;
    this.wave = context.createPeriodicWave(new Float32Array(PARTIALS.length), Float32Array.from(PARTIALS), { disableNormalization: true });
    this.noise = noise(context);
  }

  /** Let a note sound from a time of the context on. @param {AudioNode} out @param {Heard} note @param {number} when @param {number} [length] of it, in seconds @returns {Voice} */
  strike(out, note, when, length = note.length) {
    const level = this.context.createGain();
    const source = note.drum ? this.context.createBufferSource() : this.context.createOscillator();
    if (source instanceof AudioBufferSourceNode) source.buffer = this.noise;
    else { source.setPeriodicWave(this.wave); source.frequency.value = 440 * 2 ** ((note.pitch - 69) / 12); }
    const loud = FULL * (note.velocity / 127) ** 2;
    const rise = Math.min(ATTACK, length);
    const fade = note.drum ? DRUM : FADE;
    const held = Math.max(length, rise + 0.002);
    const [top, end] = [rise, held].map((time) => loud * Math.exp(-time / fade));
    level.gain.setValueAtTime(0, when);
    level.gain.setValueCurveAtTime(half(0, top), when, rise);
    level.gain.exponentialRampToValueAtTime(end, when + held);
    const fall = when + held + 0.0005;
    level.gain.setValueCurveAtTime(half(end, 0), fall, RELEASE);
    source.connect(level).connect(out);
    const until = fall + RELEASE;
    source.start(when);
    source.stop(until + 0.01);
    source.onended = () => { source.disconnect(); level.disconnect(); };
    return { level, source, until };
  }
}

const PLAYS = "polyloom:plays"; // told to all players of a page, of which one is heard at a time

/** Plays notes; `changed` is called when it begins, ends or jumps. */
export class Player {
  /** @param {import("./dom.js").Lifetime} life @param {() => void} changed */
  constructor(life, changed) {
    this.changed = changed;
    /** @type {Heard[]} */
    this.notes = [];
    this.end = 0;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {[number, number] | null} */
    this.looped = null;
    this.volume = 1;
    this.stood = 0; // where it stands while it does not play
    this.timer = life.timer(EVERY, () => this.ahead());
    this.rest = life.timer(IDLE, () => { if (!this.playing) void this.context?.suspend(); });
    life.listen(document, PLAYS, (event) => { if (event.detail !== this && this.playing) this.pause(); });
    life.ends.add(() => { this.silence(); void this.context?.close(); this.context = null; });
  }

  get playing() { return this.run !== null; }

  /** Seconds into the music, as they are heard now. */
  get at() {
    if (!this.run || !this.context) return this.stood;
    const passed = Math.max(0, this.context.currentTime - this.run.since);
    const place = this.run.from + passed;
    const loop = this.run.loop;
    return loop && place >= loop[1] ? loop[0] + ((place - loop[0]) % (loop[1] - loop[0])) : Math.min(place, this.end);
  }

  get loop() { return this.looped; }

  /** Play from here to there again and again. */
  set loop(/** @type {[number, number] | null} */ loop) {
    this.looped = loop && loop[1] - loop[0] > 0.05 ? loop : null;
    if (this.playing) this.play(this.at);
  }

  get level() { return this.volume; }

  /** How loud, from 0 to 1; it moves without a click. */
  set level(/** @type {number} */ level) {
    this.volume = level;
    if (this.out && this.context) this.out.gain.setTargetAtTime(level, this.context.currentTime, 0.005);
  }

  /** Other notes, sorted by their start; while it plays, what comes is of the new ones, and what sounds goes on if it is among them. @param {Heard[]} notes @param {number} end */
  load(notes, end) {
    const at = this.at;
    const same = (/** @type {Heard} */ one, /** @type {Heard | undefined} */ other) => other !== undefined && one.start === other.start && one.length === other.length && one.pitch === other.pitch && one.velocity === other.velocity && one.drum === other.drum;
    const goesOn = this.run && at < end && this.notes.slice(0, this.run.next).every((note, n) => same(note, notes[n]));
    this.notes = notes;
    this.end = end;
    if (goesOn) return;
    if (this.playing) this.play(Math.min(at, end));
    else this.stood = Math.min(this.stood, end);
  }

  /** Let one note sound now, as a key that is touched. @param {number} pitch @param {number} velocity @param {boolean} drum */
  touch(pitch, velocity, drum) {
    this.open();
    this.strike({ start: 0, length: TOUCH, pitch, velocity, drum }, this.now + SOON, TOUCH);
  }

  /** More notes of music that is still being written; those that should have begun already are left out. @param {Heard[]} notes */
  extend(notes) {
    const done = this.run?.next ?? 0;
    const now = this.at;
    const late = (/** @type {Heard} */ note) => this.playing && note.start < now - LATE;
    const rest = [...this.notes.slice(done), ...notes.filter((note) => !late(note))].sort((a, b) => a.start - b.start);
    this.notes = [...this.notes.slice(0, done), ...rest];
    this.end = Infinity;
  }

  /** @param {number} [from] seconds; from where it stands, and from the beginning if that is the end */
  play(from = this.stood >= this.end - 0.01 ? 0 : this.stood) {
    if (!this.notes.length) return;
    this.open();
    this.silence();
    const loop = this.looped;
    const start = loop && (from < loop[0] || from >= loop[1]) ? loop[0] : from;
    this.run = { from: start, since: this.now + SOON, loop, next: this.firstAfter(start), round: 0 };
    for (const note of this.notes.slice(0, this.run.next)) { // what is held already
      const left = Math.min(note.start + note.length, loop ? loop[1] : Infinity) - start;
      if (left > LEFT && !note.drum) this.strike(note, this.run.since, left);
    }
    this.ahead();
    document.dispatchEvent(new CustomEvent(PLAYS, { detail: this }));
    this.changed();
  }

  /** Ask the browser for sound. */
  open() {
    this.context ??= this.opened();
    void this.context.resume();
    this.rest.start();
  }

  pause() {
    this.stood = this.at;
    this.silence();
    this.rest.start();
    this.changed();
  }

  /** @param {number} seconds */
  seek(seconds) {
    const to = Math.min(Math.max(0, seconds), this.end);
    if (this.playing) { this.play(to); return; }
    this.stood = to;
    this.changed();
  }

  /** @private @type {{from: number, since: number, loop: [number, number] | null, next: number, round: number} | null} */
  run = null;

  /** @private @type {GainNode | null} */
  out = null;

  /** @private @type {Timbre | null} */
  timbre = null;

  /** @private @type {Voice[]} */
  voices = [];

  /** Seconds of the audio clock. @private */
  get now() { return this.context?.currentTime ?? 0; }

  /** @private */
  opened() {
    const context = new AudioContext({ latencyHint: "interactive" });
    this.out = context.createGain();
    this.out.gain.value = this.volume;
    this.out.connect(limiter(context)).connect(context.destination);
    this.timbre = new Timbre(context);
    return context;
  }

  /** The first note that begins at a place or after it. @private @param {number} seconds */
  firstAfter(seconds) {
    let [low, high] = [0, this.notes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.notes[middle].start < seconds - 1e-9) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Hand on what sounds soon. @private */
  ahead() {
    const { run, context } = this;
    if (!run || !context) return;
    const horizon = context.currentTime + AHEAD;
    const stop = run.loop ? run.loop[1] : Infinity;
    for (;;) {
      const note = this.notes[run.next];
      if (note && note.start < stop - 1e-9) {
        const when = run.since + run.round + note.start - run.from;
        if (when > horizon) break;
        this.join(note, when, Math.min(note.length, stop - note.start));
        run.next += 1;
      } else if (run.loop) {
        const round = run.loop[1] - run.loop[0];
        if (run.since + run.round + run.loop[1] - run.from > horizon) break;
        run.round += round;
        run.next = this.firstAfter(run.loop[0]);
      } else break;
    }
    this.voices = this.voices.filter((voice) => voice.until > context.currentTime);
    if (!run.loop && this.at >= this.end) { this.silence(); this.stood = this.end; this.rest.start(); this.changed(); return; }
    this.timer.start();
  }

  /** Strike a note in time; of one that is too late, what is left. @private @param {Heard} note @param {number} when @param {number} length */
  join(note, when, length) {
    const late = this.now - when;
    if (late <= LATE) this.strike(note, Math.max(when, this.now), length);
    else if (length - late > LEFT && !note.drum) this.strike(note, this.now, length - late);
  }

  /** @private @param {Heard} note @param {number} when @param {number} length */
  strike(note, when, length) {
    if (this.out && this.timbre) this.voices.push(this.timbre.strike(this.out, note, when, length));
  }

  /** Cut off what sounds and what is to sound. @private */
  silence() {
    this.run = null;
    this.timer.stop();
    const now = this.now;
    for (const { level, source } of this.voices) {
      level.gain.cancelAndHoldAtTime?.(now);
      level.gain.setTargetAtTime(0, now, CUT / 4);
      source.stop(now + 2 * CUT);
    }
    this.voices = [];
  }
}
