// @ts-check
/**
 * The mixing desk: who speaks how loudly, what comes next, is it better?
 *
 * `render` puts the regions together, draws them from the model once a frame at most, and returns the clean-up. Each
 * region is a function that makes its elements and returns `{element, draw}`; a picture holds every figure they draw.
 */
import { attribute, figure, keepClicks, keepKeys, Lifetime, make, spokenToken, write } from "../base/dom.js";
import { cellsOf, saving } from "../base/save.js";
import { bars, barTable } from "./bars.js";
import { closer } from "./closer.js";
import { Desk } from "./desk.js";
import { faders } from "./faders.js";
import { generate } from "./generate.js";
import { music } from "./music.js";
import { Painter } from "./picture.js";
import { receipt } from "./receipt.js";
import { recipe } from "./recipe.js";
import { score } from "./score.js";
import { text } from "./text.js";
import { toolbar } from "./toolbar.js";

/** @typedef {import("./picture.js").Picture} Picture */

const TRAITS = ["steps", "cursor", "pinned", "prompt", "place", "bars", "bars_p", "keys_p", "score", "score_p", "score_blocks", "exact", "sampling", "presets", "recipe", "busy", "error", "receipts"];
const STRIP = 68; // pixels: a strip and its gap
const BARS = 336; // pixels that the bars keep beside standing strips
const FEW = 5; // lying strips no taller than the bars beside them
const WHY = 400; // milliseconds until a wait is explained

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const life = new Lifetime();
  const root = make("div", { class: "polyloom pl-mixer", role: "group", "aria-label": "Mixing desk" });
  keepKeys(life, root);
  keepClicks(life, root);
  let inner = new Lifetime();
  const build = () => {
    inner.end();
    inner = new Lifetime();
    root.replaceChildren(...(model.get("layers")?.length ? openDesk(model, inner, root) : [emptyDesk()]));
  };
  life.follow(model, "change:layers", build);
  build();
  el.append(root);
  return () => { inner.end(); life.end(); root.remove(); };
}

/** @returns {HTMLElement} */
function emptyDesk() {
  return make("div", { class: "pl-vacant" }, make("p", {}, "No layers yet. Weave some voices and hand them to the desk:"),
    make("code", {}, "mix, held_out = polyloom.weave(voices)\nMixer(mix, held_out=held_out)"));
}

/** @param {any} model @param {Lifetime} life @param {HTMLElement} root @returns {HTMLElement[]} */
function openDesk(model, life, root) {
  const redraw = life.frame(() => draw());
  const desk = new Desk(model, life, redraw);
  const painter = new Painter(desk);
  const recipePart = recipe(desk, life);
  const toolbarPart = toolbar(desk, life, recipePart);
  const textPart = text(desk, life);
  const fadersPart = faders(desk, life, root);
  const barsPart = bars(desk, life, (row, byKey) => receiptPart.open(row.token, row.piece, byKey));
  const tablePart = barTable(desk);
  const scorePart = score(desk, life);
  const receiptPart = receipt(desk, life, barsPart.rowOf);
  const generatePart = generate(desk, life);
  const closerPart = closer(desk, life);
  const musicPart = music(desk, life);
  const banner = make("div", { class: "pl-banner", role: "alert" });
  const waiting = make("p", { class: "pl-waiting", role: "status" });
  const speech = make("div", { class: "pl-hidden", role: "status", "aria-live": "polite" });
  barsPart.element.append(waiting, tablePart.element);
  toolbarPart.element.append(saving(life, root, { name: "mix", rows: () => cellsOf(tablePart.element) }));
  const surface = make("div", { class: "pl-surface" }, fadersPart.element, barsPart.element, scorePart.element);
  const why = life.timer(WHY, redraw);
  let wasBusy = false;

  const draw = () => {
    if (!desk.whole) return; // layers, steps and pins arrive one after the other: the next change draws
    desk.tick();
    const picture = painter.look();
    for (const part of [recipePart, toolbarPart, textPart, fadersPart, barsPart, tablePart, scorePart, receiptPart, musicPart, generatePart, closerPart]) part.draw(picture);
    if (desk.busy && !wasBusy) why.start();
    if (!desk.busy) why.stop();
    wasBusy = desk.busy !== "";
    if (picture.exact) { desk.frozen = false; desk.patience.stop(); }
    const error = String(model.get("error") ?? "") || desk.failure;
    const trouble = error || (desk.frozen ? "The kernel does not answer: figures are frozen." : "");
    write(banner, trouble ? `⚠ ${trouble}` : "");
    attribute(banner, "hidden", !trouble);
    attribute(root, "data-trouble", Boolean(error));
    attribute(root, "data-busy", wasBusy || !(picture.bars || picture.silent));
    attribute(root, "data-exact", picture.exact);
    attribute(root, "data-music", Boolean(model.get("keys_p")?.byteLength));
    attribute(root, "data-silent", picture.silent);
    write(waiting, wasBusy && !why.waiting() ? desk.busy : "");
    if (desk.news && !desk.dragging) {
      write(speech, `${desk.news}${spoken(picture)}`);
      desk.news = null;
    }
  };

  for (const trait of TRAITS) life.follow(model, `change:${trait}`, redraw);
  attribute(root, "data-few", desk.layers.length <= FEW);
  life.width(root, (width) => attribute(root, "data-lying", width < BARS + STRIP * desk.layers.length));
  life.listen(root, "keydown", (/** @type {KeyboardEvent} */ event) => keys(event, desk, () => recipePart.leave() || receiptPart.leave()));
  draw();
  return [toolbarPart.element, recipePart.element, banner, textPart.element, textPart.strange, surface, receiptPart.element, musicPart.element, generatePart.element, closerPart.element, speech];
}

/** Ctrl+Z and Escape, wherever the focus is inside. @param {KeyboardEvent} event @param {Desk} desk @param {() => boolean} leave */
function keys(event, desk, leave) {
  const typing = /** @type {Element} */ (event.target).matches("textarea, input");
  if (event.key === "Escape" && leave()) event.preventDefault();
  if (typing || event.altKey || !(event.ctrlKey || event.metaKey)) return;
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  desk.move(key === "y" || event.shiftKey ? 1 : -1);
}

/** What a release has changed, as the end of one sentence. @param {Picture} picture */
function spoken({ silent, bars: seen, score: scored }) {
  if (silent) return ", nobody is speaking";
  const top = seen?.rows[0];
  const lead = top ? `, ${spokenToken(top.piece)} leads with ${Math.round(100 * top.p)} percent` : "";
  if (!scored) return lead;
  const side = scored.same ? "as pinned" : `${Math.abs(scored.change).toFixed(1)} percent ${scored.change < 0 ? "lower" : "higher"} than pinned`;
  return `${lead}, perplexity ${figure(scored.perplexity)}, ${side}`;
}

export default { render };
