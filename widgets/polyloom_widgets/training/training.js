// @ts-check
/**
 * A training, live: where it is, both losses by step, what the model writes, who of the experts reads how much.
 *
 * `render` puts the regions together, draws them from the model once a frame at most, and returns the clean-up. Each
 * region is a function that makes its elements and returns `{element, draw}`. The page changes nothing in Python but by
 * the one question of the Stop button.
 */
import { attribute, keepClicks, keepKeys, Lifetime, make, write } from "../base/dom.js";
import { saving } from "../base/save.js";
import { experts } from "./experts.js";
import { ending, nats, read, standing } from "./figures.js";
import { head } from "./head.js";
import { lines } from "./lines.js";
import { plot } from "./plot.js";
import { samples } from "./samples.js";
import { lossRows, table } from "./table.js";

const TRAITS = ["status", "curve", "marks", "samples", "load"];

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const life = new Lifetime();
  const root = make("div", { class: "polyloom pl-training", role: "group", "aria-label": "Training" });
  keepKeys(life, root);
  keepClicks(life, root);
  const redraw = life.frame(() => draw());
  const headPart = head(model, life, redraw);
  const plotPart = plot(life, redraw);
  const linesPart = lines(life, redraw);
  const expertsPart = experts();
  const samplesPart = samples(life, redraw);
  const tablePart = table(life, redraw);
  const parts = [headPart, plotPart, linesPart, expertsPart, samplesPart, tablePart];
  const vacant = make("div", { class: "pl-untrained" }, make("p", {}, "No training yet. Hand this view to one:"), make("code", {}, "train(model, texts, callbacks=[view], progress=False)"));
  const speech = make("div", { class: "pl-hidden", role: "status", "aria-live": "polite" });
  const curves = make("div", { class: "pl-curves" }, plotPart.element, linesPart.element);
  const body = make("div", { class: "pl-body" }, headPart.element, curves, expertsPart.element, samplesPart.element, tablePart.element);
  root.append(vacant, body, speech);
  headPart.element.firstElementChild?.append(saving(life, root, { name: "training", rows: () => lossRows(read(model)) }));
  let told = "";

  const draw = () => {
    const figures = read(model);
    const { status } = figures;
    attribute(vacant, "hidden", Boolean(status));
    attribute(body, "hidden", !status);
    if (!status) return;
    for (const part of parts) part.draw(figures);
    const tenth = status.stopped ?? String(Math.floor(10 * status.share)); // spoken ten times in the course of a training
    if (tenth === told) return;
    told = tenth;
    const judged = status.validation === null ? "" : `, held-out loss ${nats(status.validation)}`;
    write(speech, `${standing(status)}${judged}${status.stopped ? `, ${ending(status.stopped)}` : ""}`);
  };
  for (const trait of TRAITS) life.follow(model, `change:${trait}`, redraw);
  draw();
  el.append(root);
  return () => { life.end(); root.remove(); };
}

export default { render };
