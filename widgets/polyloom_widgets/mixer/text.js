// @ts-check
/**
 * The text that the mix continues: an own prompt, or a place in the held-out text with its caret and steps of one word.
 * What is typed is sent when the hand rests for 250 ms, or at once on Enter. A page without Python shows its text only.
 */
import { attribute, button, make, switchOff, write } from "../base/dom.js";

/** @typedef {import("./picture.js").Picture} Picture */

const REST = 250; // milliseconds
const NAMED_WORDS = 5; // unknown ones that are named

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function text(desk, life) {
  const own = button("own text", { class: "pl-button pl-choice" });
  const held = button("held-out text", { class: "pl-button pl-choice" });
  const kinds = make("span", { class: "pl-kinds", role: "group", "aria-label": "Text" }, own, held);
  const input = /** @type {HTMLInputElement} */ (make("input", { class: "pl-prompt", "aria-label": "Prompt", placeholder: "Type the beginning of a text", spellcheck: "false", autocomplete: "off" }));
  const before = make("bdi");
  const caret = make("span", { class: "pl-caret" });
  const after = make("span", { class: "pl-after" });
  const passage = make("p", { class: "pl-passage" }, make("span", { class: "pl-before" }, before), caret, after);
  const back = button("One word back", { class: "pl-button pl-icon" }, "‹");
  const on = button("One word on", { class: "pl-button pl-icon" }, "›");
  const where = make("span", { class: "pl-where" });
  const element = make("div", { class: "pl-text", role: "group", "aria-label": "Text" }, kinds, input, passage, make("span", { class: "pl-pair pl-steps" }, back, where, on));
  const strange = make("p", { class: "pl-muted pl-strange", role: "status" });
  let place = 0; // where the held-out text was left

  const typed = () => input.value.replace(/↵/g, "\n");
  const send = () => {
    rest.stop();
    if (typed() !== desk.model.get("prompt") || desk.model.get("place") !== -1) desk.set({ prompt: typed(), place: -1 });
  };
  const rest = life.timer(REST, send);
  const go = (/** @type {number} */ to) => desk.set({ place: Math.max(0, Math.min((desk.score?.places ?? 1) - 1, to)) });
  life.listen(input, "input", rest.start);
  life.listen(input, "blur", () => { if (rest.waiting()) send(); });
  life.listen(input, "keydown", (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && !event.isComposing) send(); });
  life.listen(own, "click", () => { if (desk.model.get("place") !== -1) desk.set({ place: -1 }); });
  life.listen(held, "click", () => { if (desk.model.get("place") === -1) go(place); });
  life.listen(back, "click", () => go(desk.model.get("place") - 1));
  life.listen(on, "click", () => go(desk.model.get("place") + 1));

  const draw = (/** @type {Picture} */ { places }) => {
    const now = /** @type {number} */ (desk.model.get("place") ?? -1);
    const reading = now >= 0;
    if (reading) place = now;
    const { offline, bars } = desk;
    attribute(kinds, "hidden", offline || !places);
    attribute(own, "aria-pressed", String(!reading));
    attribute(held, "aria-pressed", String(reading));
    attribute(input, "hidden", reading || offline);
    attribute(passage, "hidden", !reading && !offline);
    attribute(element, "data-reading", reading || offline);
    attribute(back.parentElement ?? back, "hidden", !reading || offline);
    switchOff(back, now <= 0);
    switchOff(on, now >= places - 1);
    write(where, `${now + 1} / ${places}`);
    if (!rest.waiting()) {
      const prompt = String(desk.model.get("prompt") ?? "").replace(/\r?\n/g, "↵");
      if (input.value !== prompt) input.value = prompt;
    }
    const unknown = bars?.unknown ?? [];
    write(strange, unknown.length ? `not in the vocabulary, read as <unk>: ${unknown.slice(0, NAMED_WORDS).join(", ")}${unknown.length > NAMED_WORDS ? " and more" : ""}` : "");
    write(before, (reading ? bars?.before ?? "" : bars?.before || desk.model.get("prompt") || "").replace(/\n/g, "↵"));
    write(after, (bars?.after ?? "").replace(/\n/g, "↵"));
  };
  return { element, strange, draw };
}
