// @ts-check
/** How the load is shared: a bar for each expert, a tick where an even share ends, and what it costs to let one read all. */
import { attribute, button, make, style, switchOff, write } from "../base/dom.js";

const RGB = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [240, 228, 66]];

/** The colours of the lanes: the palette in its order, again and again. @param {number} count @returns {number[][]} */
export function laneColours(count) {
  return Array.from({ length: count }, (_, e) => RGB[e % RGB.length]);
}

/** @param {import("./choices.js").Choices} choices @param {import("../base/dom.js").Lifetime} life */
export function loadBars(choices, life) {
  const title = make("p", { class: "pl-title" });
  const list = make("ol", { class: "pl-loads", "aria-label": "Load of each expert" });
  const note = make("p", { class: "pl-muted" });
  const element = make("section", { class: "pl-load-part", "aria-label": "Load" }, title, list, note);
  life.listen(list, "click", (/** @type {MouseEvent} */ event) => {
    const one = /** @type {Element} */ (event.target).closest("[data-alone]");
    if (!one) return;
    const expert = Number(one.getAttribute("data-alone"));
    choices.alone[expert] = "…";
    choices.questions.ask("alone", { expert }, (answer) => { choices.alone[expert] = answer.error ?? nats(answer.cost); });
    choices.redraw();
  });
  /** @type {{element: HTMLElement, bar: HTMLElement, tick: HTMLElement, share: HTMLElement, cost: HTMLElement}[]} */
  let rows = [];
  let named = "";

  const build = () => {
    rows = choices.table.experts.map((name, e) => {
      const bar = make("i", { class: `pl-load-bar pl-layer pl-layer-${e % 7}${e >= 7 ? " pl-hatched" : ""}` });
      const tick = make("i", { class: "pl-even" });
      const [share, cost] = [make("span", { class: "pl-load-share" }), make("span", { class: "pl-load-cost pl-muted" })];
      const alone = button("alone", { class: "pl-button pl-small", "data-alone": e, "aria-label": `what if ${name} read everything`, title: "what it would cost if this one read everything" }, "alone");
      return { element: make("li", {}, make("span", { class: "pl-load-name" }, name), make("span", { class: "pl-load-field" }, bar, tick), share, alone, cost), bar, tick, share, cost };
    });
    list.replaceChildren(...rows.map((row) => row.element));
  };
  /** @param {{load: number[], rerouted: number}} figures */
  const draw = ({ load, rerouted }) => {
    const now = JSON.stringify([choices.at, choices.table.experts]);
    if (now !== named) { named = now; build(); }
    const end = Math.max(...load, 1 / load.length) || 1;
    write(title, `load of ${choices.table.name}; the tick is an even share`);
    rows.forEach((row, e) => {
      style(row.bar, "width", `${((100 * load[e]) / end).toFixed(1)}%`);
      style(row.tick, "left", `${(100 / load.length / end).toFixed(1)}%`);
      write(row.share, `${(100 * load[e]).toFixed(1)}\u202f%`);
      write(row.cost, choices.alone[e] ?? "");
      for (const one of row.element.querySelectorAll("button")) { attribute(one, "hidden", !choices.asks); switchOff(one, choices.alone[e] === "…"); }
    });
    const cost = choices.model.get("cost") ?? {};
    write(note, rerouted > 0 ? `${Math.round(100 * rerouted)}\u202f% of the choices changed${choices.draft === null && "text" in cost ? `: ${nats(cost)}` : ""}` : "");
  };
  return { element, draw };
}

/** What another choice costs. @param {Record<string, number>} cost */
function nats(cost) {
  const one = (/** @type {number} */ value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(3)}`;
  const parts = [["text", "this text"], ["held_out", "held-out"]].filter(([name]) => name in cost).map(([name, told]) => `${one(cost[name])} on ${told}`);
  return parts.length ? `${parts.join(", ")}, nats a token` : "";
}
