// @ts-check
/**
 * What else could have come where the reader stands: the likeliest tokens, who spoke for the one that came, and the ways
 * to fork there: another token, another mix.
 */
import { attribute, button, make, probability, roundEnd, shownToken, spokenToken, style, switchOff, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./texts.js").Texts} Texts */

/** @param {Texts} texts @param {import("../base/dom.js").Lifetime} life */
export function alternatives(texts, life) {
  const title = make("p", { class: "pl-title" });
  const list = make("ol", { class: "pl-options", "aria-label": "What could come here: a button writes on from it" });
  const shares = make("div", { class: "pl-step-shares" });
  const mixes = make("div", { class: "pl-mixes" });
  const element = make("section", { class: "pl-alternatives", "aria-label": "Alternatives" }, title, list, shares, mixes);
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => {
    const row = /** @type {Element} */ (event.target).closest("[data-piece]");
    if (row && !texts.offline && !texts.writing) texts.write("fork", { leaf: texts.at, step: texts.step, token: row.getAttribute("data-piece") });
  });
  life.listen(mixes, "click", (/** @type {MouseEvent} */ event) => {
    const one = /** @type {Element} */ (event.target).closest("[data-mix]");
    if (one) texts.write("fork", { leaf: texts.at, step: texts.step, mix: one.getAttribute("data-mix") });
  });

  const draw = () => {
    const leaf = texts.leaf;
    const step = leaf?.steps[texts.step];
    element.hidden = !leaf;
    if (!leaf) return;
    write(title, step ? `step ${texts.step}: what could come here` : "after the last step: go back to see what else could have come");
    const end = roundEnd(Math.max(0, ...(step?.candidates ?? []).map(([, p]) => p)));
    const options = step ? step.candidates.map(([piece, p]) => option(piece, p, piece === step.piece, end, texts.offline)) : [];
    if (step && !step.candidates.some(([piece]) => piece === step.piece)) options.push(option(step.piece, step.p, true, end, texts.offline));
    list.replaceChildren(...options);
    shares.replaceChildren(...(step ? shareBar(texts, step) : []));
    const others = texts.offline || !leaf.steps.length ? [] : texts.mixes.filter((name) => name !== leaf.mix);
    mixes.replaceChildren(...others.map((name) => button(`from here under ${name}`, { class: "pl-button pl-small", "data-mix": name, title: `write on from step ${texts.step} under ${name}` })));
    for (const one of mixes.children) switchOff(one, texts.writing);
  };
  return { element, draw };
}

/** @param {string} piece @param {number} p @param {boolean} came @param {number} end @param {boolean} offline */
function option(piece, p, came, end, offline) {
  const bar = make("i", { class: "pl-option-bar" });
  style(bar, "width", `${Math.min(100, 100 * p / end).toFixed(1)}%`);
  const inner = [make("span", { class: "pl-option-word" }, shownToken(piece)), make("span", { class: "pl-option-field" }, bar), make("span", { class: "pl-option-p" }, probability(p))];
  const name = `${spokenToken(piece)}: ${probability(p)}${came ? ", came here" : ""}`;
  const row = offline ? make("span", { class: "pl-option", role: "img", "aria-label": name, "data-came": came }, ...inner)
    : make("button", { type: "button", class: "pl-option", "data-piece": piece, "aria-label": name, title: came ? "this is what came" : "write on from this token", "data-came": came }, ...inner);
  return make("li", {}, row);
}

/** Who spoke for the token that came. @param {Texts} texts @param {import("./texts.js").Step} step */
function shareBar(texts, step) {
  const classes = layerClasses(texts.voices.map((name) => ({ base: name === "base" })));
  const parts = Object.entries(step.shares).filter(([, share]) => share > 0.005);
  if (parts.length < 2) return [];
  const bar = make("span", { class: "pl-share-bar", role: "img", "aria-label": parts.map(([name, share]) => `${name} ${Math.round(100 * share)} percent`).join(", ") });
  for (const [name, share] of parts) {
    const part = make("i", { class: `pl-share-part ${classes[texts.voices.indexOf(name)] ?? ""}`, title: `${name} ${Math.round(100 * share)}\u202f%` });
    style(part, "flex-grow", share.toFixed(4));
    bar.append(part);
  }
  const said = make("span", { class: "pl-muted" }, `“${spokenToken(step.text)}” is said by ${parts.slice().sort((a, b) => b[1] - a[1]).slice(0, 3).map(([name, share]) => `${name} ${Math.round(100 * share)}\u202f%`).join(", ")}`);
  attribute(said, "class", "pl-muted pl-share-said");
  return [bar, said];
}
