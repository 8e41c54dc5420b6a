// @ts-check
/**
 * Reach: draw a word's bar to where you want it, and the faders follow, by the smallest change that does it.
 *
 * While the bar is moved the desk shows the weights as a draft; what else would change stands beside it. Accept keeps them
 * as one step, Back forgets them. Where no weights will do, the nearest that they come is shown, and said.
 */
import { attribute, button, make, probability, shownToken, style, switchOff, write } from "../base/dom.js";

/** @typedef {import("./picture.js").Picture} Picture */

const RANGE = Math.log(1e-4); // of the slider: from a ten-thousandth to 1, by the logarithm

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function reachPanel(desk, life) {
  const word = /** @type {HTMLSelectElement} */ (make("select", { class: "pl-select", "aria-label": "Word" }));
  const wanted = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-reach-slider", min: 0, max: 1000, step: 1, "aria-label": "Wanted probability" }));
  const figure = make("span", { class: "pl-reach-figure" });
  const accept = button("Accept", { class: "pl-button pl-small" });
  const back = button("Back", { class: "pl-button pl-small" });
  const said = make("p", { role: "status", class: "pl-reach-said" });
  const beside = make("ol", { class: "pl-beside", "aria-label": "What else would change" });
  const element = make("div", { class: "pl-reach" },
    make("div", { class: "pl-reach-row" }, word, wanted, figure, accept, back), said, beside);
  let token = -1;
  /** @type {any} */
  let answer = null;
  const chance = () => Math.exp(RANGE * (1 - Number(wanted.value) / 1000));
  let moved = false; // by a hand; before, the slider stands where the word is
  const forget = () => { if (answer) desk.forget(); answer = null; moved = false; };

  life.listen(word, "change", () => { forget(); token = Number(word.value); desk.redraw(); });
  life.listen(wanted, "input", () => {
    moved = true;
    desk.ask("reach", { token, probability: chance() }, (found) => {
      if (!moved) return; // taken back meanwhile
      answer = found;
      const none = desk.layers.map(() => false);
      if (!found.error) desk.drag({ weights: found.weights, muted: none, soloed: none });
    });
    desk.redraw();
  });
  life.listen(accept, "click", () => {
    if (!answer || answer.error) return;
    const { weights } = answer;
    answer = null;
    moved = false;
    const none = desk.layers.map(() => false);
    desk.commit({ weights, muted: none, soloed: none }, `reached ${word.selectedOptions[0]?.text ?? ""}`);
    desk.redraw();
  });
  life.listen(back, "click", () => { forget(); desk.redraw(); });

  const draw = (/** @type {Picture} */ { bars }) => {
    const rows = bars?.rows ?? [];
    if (!moved) {
      const names = rows.map((row) => `${row.token}`).join();
      if (word.getAttribute("data-names") !== names) {
        attribute(word, "data-names", names);
        word.replaceChildren(...rows.map((row) => make("option", { value: row.token }, shownToken(row.piece))));
        if (!rows.some((row) => row.token === token)) token = rows[0]?.token ?? -1;
        word.value = String(token);
      }
      const now = rows.find((row) => row.token === token)?.p ?? 0;
      wanted.value = String(Math.round(1000 * (1 - Math.log(Math.max(now, 1e-4)) / RANGE)));
    }
    write(figure, probability(chance()));
    attribute(wanted, "aria-valuetext", probability(chance()));
    switchOff(back, !moved);
    switchOff(accept, !answer || Boolean(answer.error));
    if (!answer) write(said, "Move the slider to where the word should be: the faders follow by the smallest change.");
    else if (answer.error) write(said, `⚠ ${answer.error}`);
    else write(said, answer.reached ? `${probability(answer.before)} → ${probability(answer.after)}, by the smallest change of the faders` : `No weights make it more than ${probability(answer.most)}: this is as near as they come.`);
    beside.replaceChildren(...(answer?.beside ?? []).map(besideRow));
  };
  return { element, draw, leave: forget };
}

/** @param {{name: string, before: number, after: number}} one */
function besideRow({ name, before, after }) {
  const bar = make("i", { class: "pl-beside-bar" });
  const tick = make("i", { class: "pl-credit-tick" });
  const end = Math.max(before, after, 1e-9);
  style(bar, "width", `${(100 * after) / end}%`);
  style(tick, "left", `${(100 * before) / end}%`);
  return make("li", {}, make("span", { class: "pl-credit-name" }, shownToken(name)), make("span", { class: "pl-credit-field" }, bar, tick), make("span", { class: "pl-credit-said" }, `${probability(before)} → ${probability(after)}`));
}
