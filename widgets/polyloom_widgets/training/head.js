// @ts-check
/**
 * The head of the view: where the training is, how long it still takes, the button that ends it, and the two losses.
 *
 * A kernel that trains may not hear the button before its cell is done. If it does not answer within a moment, the head
 * says what does the same at once.
 */
import { attribute, button, figure, make, style, switchOff, write } from "../base/dom.js";
import { clock, ending, nats, standing, whole } from "./figures.js";

/** @typedef {import("./figures.js").Figures} Figures */

const PATIENCE = 2_500; // milliseconds in which a kernel that hears the button answers
const QUIET = 20_000; // milliseconds without news after which the head says so

/** @param {any} model @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw */
export function head(model, life, redraw) {
  const where = make("span", { class: "pl-standing" });
  const remark = make("span", { class: "pl-remark pl-muted", role: "status" });
  const stop = button("Stop", { class: "pl-button pl-small", title: "end after this step and keep what was learned" });
  const bar = make("div", { class: "pl-progress", role: "progressbar", "aria-label": "Training", "aria-valuemin": 0, "aria-valuemax": 100 }, make("span", { class: "pl-done" }));
  const headline = make("span", { class: "pl-loss" });
  const meaning = make("span", { class: "pl-loss-words" });
  const small = make("p", { class: "pl-muted pl-facts" });
  const element = make("div", { class: "pl-head" },
    make("div", { class: "pl-head-row" }, where, remark, stop), bar, make("p", { class: "pl-loss-row" }, headline, meaning), small);
  let asked = false;
  let deaf = false;
  let seen = "";
  const patience = life.timer(PATIENCE, () => { deaf = true; redraw(); });
  const quiet = life.timer(QUIET, redraw);
  life.listen(stop, "click", () => {
    asked = true;
    model.send({ op: "stop", id: "stop" });
    patience.start();
    redraw();
  });
  life.follow(model, "msg:custom", (/** @type {any} */ message) => { if (message.op === "stop") { patience.stop(); deaf = false; redraw(); } });

  const draw = (/** @type {Figures} */ { status, offline }) => {
    if (!status) return;
    const over = status.stopped !== null;
    const now = `${status.step} ${status.seconds}`;
    if (now !== seen) { seen = now; quiet.start(); }
    if (over) { asked = deaf = false; patience.stop(); quiet.stop(); }
    write(where, standing(status));
    write(remark, over ? `${ending(status.stopped ?? "")}, ${clock(status.seconds)}` : waiting(status));
    attribute(stop, "hidden", over || offline);
    switchOff(stop, asked);
    style(/** @type {HTMLElement} */ (bar.firstChild), "width", `${(100 * status.share).toFixed(2)}%`);
    attribute(bar, "aria-valuenow", Math.round(100 * status.share));
    attribute(element, "data-over", over);
    const judged = status.validation !== null;
    write(headline, nats(judged ? status.validation : status.loss));
    write(meaning, `nats a token ${judged ? "on held-out text" : "in the last batch"}${inWords(judged ? status.validation : status.loss)}`);
    write(small, `${judged ? `last batch ${nats(status.loss)} · ` : ""}${whole(status.tokens)} tokens read`);
  };
  const waiting = (/** @type {import("./figures.js").Status} */ status) => {
    if (deaf) return "Python hears this button only after the cell. To stop now, interrupt the kernel: the key I twice, or ■ in the toolbar.";
    if (asked) return "stopping after this step";
    if (!quiet.waiting()) return `no news for more than ${QUIET / 1000} seconds`;
    return status.left === null ? "" : `${clock(status.left)} left`;
  };
  return { element, draw };
}

/** What a loss means. @param {number | null} loss */
function inWords(loss) {
  if (loss === null || loss > 20) return "";
  const choices = Math.exp(loss);
  return `: as unsure as a fair choice among ${choices < 9.95 ? figure(choices, 100) : whole(choices)} tokens`;
}
