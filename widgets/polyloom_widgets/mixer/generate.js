// @ts-check
/** Let the mix write on: a button, the seed, the temperature, and the words underlined in the colour of their loudest layer. */
import { attribute, button, make, numberField, switchOff, write } from "../base/dom.js";
import { layerClasses } from "../base/palette.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function generate(desk, life) {
  const go = button("Generate", { class: "pl-button pl-main" });
  const set = (/** @type {Record<string, number>} */ change) => { desk.model.set("sampling", { ...desk.sampling, ...change }); desk.model.save_changes(); desk.redraw(); };
  const seed = numberField(life, { label: "seed", least: 0, most: 2 ** 31 - 1, step: 1, digits: 0, report: (value) => set({ seed: value }) });
  const temperature = numberField(life, { label: "temperature", least: 0.05, most: 5, step: 0.05, digits: 2, report: (value) => set({ temperature: value }) });
  const output = make("div", { class: "pl-output", role: "status" });
  const element = make("div", { class: "pl-generate", role: "group", "aria-label": "Generate" },
    make("div", { class: "pl-generate-row" }, go, make("label", { class: "pl-field" }, "seed", seed.element), make("label", { class: "pl-field" }, "temperature", temperature.element),
      make("span", { class: "pl-muted pl-generate-note" }, "temperature shapes what is written, not the score")), output);
  let writing = false;

  life.listen(go, "click", () => {
    writing = true;
    attribute(output, "data-waiting", true);
    desk.ask("generate", {}, (answer) => {
      writing = false;
      attribute(output, "data-waiting", false);
      output.replaceChildren(...(answer.error ? [make("p", { class: "pl-message" }, `⚠ ${answer.error}`)] : [written(desk, answer.pieces)]));
    });
    desk.redraw();
  });

  const draw = (/** @type {Picture} */ { silent }) => {
    attribute(element, "hidden", desk.offline);
    switchOff(go, writing || silent);
    write(go, writing ? "Writing…" : "Generate");
    seed.show(desk.sampling.seed);
    temperature.show(desk.sampling.temperature);
  };
  return { element, draw };
}

/** A text whose words are underlined in the colour of who spoke loudest. @param {import("./desk.js").Desk} desk @param {{text: string, layer: number, share: number}[]} pieces */
export function written(desk, pieces) {
  const classes = layerClasses(desk.layers);
  const words = pieces.flatMap((piece) => {
    const [, space, word, end] = /** @type {RegExpMatchArray} */ (piece.text.match(/^(\s*)([\s\S]*?)(\s*)$/));
    const title = `${desk.layers[piece.layer]?.name ?? "?"}, ${Math.round(100 * piece.share)}\u202f%`;
    return [space, ...(word ? [make("span", { class: `pl-written ${classes[piece.layer] ?? ""}`, title }, word)] : []), end];
  });
  const counts = desk.layers.map((layer, k) => [layer.name, pieces.filter((piece) => piece.layer === k).length]).filter(([, count]) => count);
  const told = make("span", { class: "pl-hidden" }, `Loudest: ${counts.map(([name, count]) => `${name} in ${count}`).join(", ")} of ${pieces.length} pieces.`);
  const prompt = desk.bars?.before ? [make("span", { class: "pl-muted" }, desk.bars.before)] : [];
  return make("p", { class: "pl-writing" }, ...prompt, ...words, told);
}
