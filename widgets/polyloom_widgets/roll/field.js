// @ts-check
/**
 * The roll itself: a canvas as large as the window onto the notes, which a hand scrolls, zooms and points into.
 *
 * A drag over the ruler makes a loop, a click there moves the play head; a note is chosen by a click and carried up or
 * down. The keyboard walks the notes: what it does is in `walk`.
 */
import { attribute, make, style } from "../base/dom.js";
import { inkwell } from "./inks.js";
import { paintRoll } from "./paint.js";
import { bounded, KEYS, RULER, Sight, TALL } from "./sight.js";
import { keyPressed } from "./walk.js";

const TURN = 1.0015; // of the zoom, for each unit that a wheel turns
const STEP = 1.5; // of the zoom, for each press
const STILL = 4; // pixels that a hand may move in a click
const REPORTS = 150; // milliseconds after which a zoom is reported
const WORDS = "Piano roll. Left and right walk the notes, up and down go to the next higher and lower one, Shift with up and down moves the note, space plays, Enter plays from the note, L loops, plus and minus zoom";

/** @param {import("./music.js").Music} music @param {import("./sounding.js").Sounding} sounding @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function field(music, sounding, life, redraw) {
  const sight = new Sight(music);
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { class: "pl-roll-canvas", "aria-hidden": "true" }));
  const space = make("div", { class: "pl-roll-space" }, canvas);
  const inks = inkwell(music, life, () => paint());
  const element = make("div", { class: "pl-roll-field", tabindex: 0, role: "application", "aria-roledescription": "piano roll", "aria-label": WORDS }, space);
  const context = canvas.getContext("2d", { alpha: false });
  /** @type {{beat: number, x: number}} */
  let anchor = { beat: 0, x: KEYS }; // what stays where it is when the zoom changes
  let zoomed = 0;
  let focused = false;
  /** @type {{kind: "loop" | "note", x: number, y: number, beat: number, moved: boolean} | null} */
  let hand = null;

  const paint = life.frame(() => {
    if (!context || !sight.width) return;
    const at = sounding.beat;
    if (sounding.playing) { follow(at); paint(); }
    const sharp = window.devicePixelRatio || 1;
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    paintRoll(context, { music, sight, inks: inks.read(), at, playing: sounding.playing, sounding: sounding.pitches(at), focused });
    sounding.tick();
  });

  // -- where it stands ------------------------------------------------------------------------------------------------
  const scrolled = () => { sight.left = element.scrollLeft; sight.top = element.scrollTop; };
  const scrollTo = (/** @type {number} */ left, /** @type {number} */ top = element.scrollTop) => { element.scrollLeft = left; element.scrollTop = top; scrolled(); };
  const sized = () => {
    const sharp = window.devicePixelRatio || 1;
    const [width, height] = [element.clientWidth, element.clientHeight];
    sight.width = width;
    sight.height = height;
    const [wide, high] = [Math.max(1, Math.round(width * sharp)), Math.max(1, Math.round(height * sharp))];
    if (canvas.width === wide && canvas.height === high) return;
    canvas.width = wide;
    canvas.height = high;
    style(canvas, "width", `${width}px`);
    style(canvas, "height", `${height}px`);
  };
  /** While it plays, turn the page when the play head leaves it. @param {number} at */
  const follow = (at) => {
    const x = sight.x(at);
    if ((x > sight.width - 12 || x < KEYS) && !hand) scrollTo(Math.max(0, sight.zoom * at - 24));
  };
  /** Bring a note into the window. @param {number} note */
  const reveal = (note) => {
    const { start, end, pitch } = music.notes;
    const [x, y] = [sight.x(start[note]), sight.y(pitch[note])];
    const right = Math.min(sight.x(end[note]), x + 120);
    const left = x < KEYS + 8 ? element.scrollLeft + x - KEYS - 40 : right > sight.width - 8 ? element.scrollLeft + right - sight.width + 60 : element.scrollLeft;
    const top = y < RULER ? element.scrollTop + y - RULER - 20 : y + sight.row > sight.height ? element.scrollTop + y + sight.row - sight.height + 20 : element.scrollTop;
    if (left !== element.scrollLeft || top !== element.scrollTop) scrollTo(Math.max(0, left), Math.max(0, top));
  };
  const waiting = life.timer(REPORTS, () => music.model.save_changes());
  /** Another zoom, at which one place stays. @param {number} zoom @param {number} [x] @param {number} [beat] */
  const zoom = (zoom, x = KEYS + (sight.width - KEYS) / 2, beat = sight.beatAtX(x)) => {
    anchor = { beat, x };
    music.model.set("zoom", bounded(zoom));
    if (!music.offline) waiting.start();
    redraw();
  };
  const fit = () => zoom(sight.fitting, KEYS, 0);

  // -- a hand ---------------------------------------------------------------------------------------------------------
  const placed = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const snapped = (/** @type {number} */ beat) => Math.round(beat);
  life.listen(element, "scroll", () => { scrolled(); paint(); });
  life.listen(element, "wheel", (/** @type {WheelEvent} */ event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(sight.zoom * TURN ** -event.deltaY, placed(event)[0]);
  }, { passive: false });
  life.listen(canvas, "pointerdown", (/** @type {PointerEvent} */ event) => {
    const [x, y] = placed(event);
    if (event.button !== 0 || x < KEYS) return;
    const note = sight.noteAt(x, y);
    if (y >= RULER) music.set({ note });
    if (y >= RULER && (!music.movable(note) || event.pointerType === "touch")) return;
    hand = { kind: y < RULER ? "loop" : "note", x, y, beat: sight.beatAtX(x), moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  life.listen(canvas, "pointermove", (/** @type {PointerEvent} */ event) => {
    const [x, y] = placed(event);
    if (!hand) { point(sight.noteAt(x, y)); return; }
    hand.moved ||= Math.abs(hand.kind === "loop" ? x - hand.x : y - hand.y) > STILL;
    if (!hand.moved) return;
    if (hand.kind === "loop") {
      const [from, to] = [hand.beat, sight.beatAtX(x)].map(snapped).sort((a, b) => a - b);
      music.draft = from < to ? [from, to] : null;
    } else music.lifted = Math.max(0, Math.min(127, sight.pitchAtY(y)));
    redraw();
  });
  life.listen(canvas, "pointerup", () => {
    const [done, loop, pitch] = [hand, music.draft, music.lifted];
    letGo();
    if (done?.kind === "note" && done.moved) music.move(music.note, pitch);
    else if (done?.kind === "loop" && loop) music.set({ loop });
    else if (done?.kind === "loop") sounding.seek(done.beat);
    redraw();
  });
  const letGo = () => { if (hand?.kind === "note") music.lifted = -1; hand = null; music.draft = null; };
  life.listen(canvas, "pointercancel", () => { letGo(); redraw(); });
  life.listen(canvas, "pointerleave", () => { if (!hand) point(-1); });
  const point = (/** @type {number} */ note) => {
    if (note === music.hover) return;
    music.hover = note;
    attribute(canvas, "data-over", note < 0 ? false : music.movable(note) ? "movable" : "note");
    redraw();
  };

  // -- the keyboard ---------------------------------------------------------------------------------------------------
  life.listen(element, "focus", () => { focused = element.matches(":focus-visible"); paint(); });
  life.listen(element, "blur", () => { focused = false; paint(); });
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && hand) letGo();
    else if (!keyPressed(event, { music, sounding, sight, zoom, fit, step: STEP })) return;
    focused = true;
    event.preventDefault();
    redraw();
  });
  life.width(element, () => redraw());

  let shown = -2;
  let version = "";
  const draw = () => {
    const now = `${music.version} ${music.notes.count}`;
    const begins = version === "" && music.notes.count > 0;
    const moved = now === version ? 0 : sight.measure();
    version = now;
    style(element, "height", `${Math.min(TALL, sight.whole.height) + element.offsetHeight - element.clientHeight}px`);
    style(space, "width", `${Math.ceil(sight.whole.width)}px`);
    style(space, "height", `${sight.whole.height}px`);
    sized();
    if (zoomed !== sight.zoom) {
      zoomed = sight.zoom;
      scrollTo(Math.max(0, sight.zoom * anchor.beat - anchor.x + KEYS));
    }
    if (begins || moved) scrollTo(element.scrollLeft, begins ? sight.first : element.scrollTop + moved);
    scrolled();
    if (shown !== music.note) { shown = music.note; if (shown >= 0 && !hand) reveal(shown); }
    paint();
  };
  return { element, inks: inks.element, draw, zoom, fit, sight };
}
