// @ts-check
/**
 * The text as it stands: every token a button, underlined in the colour of who spoke loudest for it.
 *
 * The reader stands before a step: a click, the arrows or the scrubber move there; what comes after is dimmed. Of the text
 * that it is compared with, a ghost says how it goes on from where the two part; the first word of its own is marked there.
 */
import { attribute, make, spokenToken, style, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";
import { parting, wordsOf } from "./texts.js";

/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {import("./texts.js").Step} Step */

const GHOST = 12; // tokens of the other text

/** @param {Texts} texts @param {import("../base/dom.js").Lifetime} life */
export function writing(texts, life) {
  const prompt = make("span", { class: "pl-prompt" });
  const list = make("span", { class: "pl-words", role: "group", "aria-label": "What was written: a button goes to its step" });
  const [whose, ghostWords] = [make("span", { class: "pl-muted" }), make("span", { class: "pl-ghost-text" })];
  const ghost = make("p", { class: "pl-ghost-line" }, whose, ghostWords);
  const scrubber = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-scrubber", min: 0, step: 1, "aria-label": "Step" }));
  const legend = make("p", { class: "pl-voices" });
  const element = make("section", { class: "pl-writing-part", "aria-label": "Text" }, make("p", { class: "pl-writing" }, prompt, list), ghost, scrubber, legend);
  /** @type {HTMLElement[]} */
  let words = [];

  const at = (/** @type {Event} */ event) => words.indexOf(/** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".pl-written")));
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => { const step = at(event); if (step >= 0) texts.set({ step }); });
  life.listen(list, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = at(event);
    const to = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: words.length - 1, Enter: step, " ": step }[event.key];
    if (step < 0 || to === undefined || !words[to] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    texts.set({ step: to });
    words[to].focus();
  });
  life.listen(scrubber, "input", () => texts.set({ step: Number(scrubber.value) }));

  const draw = () => {
    const leaf = texts.leaf;
    element.hidden = !leaf;
    if (!leaf) return;
    const { steps } = leaf;
    const classes = layerClasses(texts.voices.map((name) => ({ base: name === "base" })));
    write(prompt, leaf.prompt);
    while (words.length > steps.length) words.pop()?.remove();
    while (words.length < steps.length) {
      const word = make("span", { role: "button" }); // a real button would not break where a line ends
      words.push(word);
      list.append(word);
    }
    const other = texts.other;
    const part = other ? parting(leaf, other) : -1;
    steps.forEach((step, n) => { drawWord(words[n], step, n, classes, texts); attribute(words[n], "data-parts", n === part); });
    attribute(scrubber, "max", steps.length);
    scrubber.value = String(texts.step);
    attribute(scrubber, "aria-valuetext", texts.step < steps.length ? `before step ${texts.step}, ${spokenToken(steps[texts.step].text)}` : `after the last step, ${steps.length}`);
    const on = other && part < other.steps.length ? wordsOf(other.steps.slice(part, part + GHOST)).trim() : "";
    attribute(ghost, "hidden", !on);
    write(whose, `from step ${part}, text ${texts.otherAt + 1} goes on: `);
    write(ghostWords, other && other.steps.length > part + GHOST ? `${on} …` : on);
    const heard = texts.voices.map((name, n) => ({ name, n })).filter(({ n }) => leaf.steps.some((step) => step.voice === n));
    const kept = leaf.parent === null ? [] : [make("span", { class: "pl-muted" }, `dotted: as in text ${leaf.parent + 1}`)];
    legend.replaceChildren(...heard.map(({ name, n }) => make("span", { class: `pl-voice ${classes[n]}` }, name)), ...kept);
    attribute(legend, "hidden", heard.length < 2);
  };
  return { element, draw };
}

/** @param {HTMLElement} word @param {Step} step @param {number} n @param {string[]} classes @param {Texts} texts */
function drawWord(word, step, n, classes, texts) {
  const loud = texts.voices[step.voice];
  const name = `pl-written ${classes[step.voice] ?? ""}`.trim();
  if (word.className !== name) word.className = name;
  write(word, step.text);
  attribute(word, "title", `step ${n}: ${(100 * step.p).toFixed(1)}\u202f%${loud ? `, ${loud} ${Math.round(100 * step.shares[loud])}\u202f% of it` : ""}`);
  attribute(word, "aria-label", `step ${n}: ${spokenToken(step.text)}`);
  attribute(word, "tabindex", n === Math.min(texts.step, (texts.leaf?.steps.length ?? 1) - 1) ? 0 : -1);
  attribute(word, "aria-current", n === texts.step && "step");
  attribute(word, "data-after", n > texts.step);
  attribute(word, "data-kept", n < (texts.leaf?.parent === null ? 0 : texts.leaf?.at ?? 0));
  style(word, "--pl-sure", Math.sqrt(step.p).toFixed(2));
}
