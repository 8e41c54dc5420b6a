// @ts-check
/**
 * A closer look: four panels, one open at a time, each asked of Python when it is opened and when the mix has changed.
 *
 * Credit says what each layer adds (Shapley), likeness who says the same as whom, reach which faders would make a word as
 * likely as you draw it, lanes lets weights move along the text that is written.
 */
import { attribute, button, make } from "../base/dom.js";
import { creditPanel, likenessPanel } from "./insight.js";
import { lanesPanel } from "./lanes.js";
import { reachPanel } from "./reach.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{element: HTMLElement, draw: (picture: Picture) => void, leave?: () => void}} Panel */

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function closer(desk, life) {
  const plans = /** @type {[string, () => Panel][]} */ ([["Credit", () => creditPanel(desk)], ["Likeness", () => likenessPanel(desk)], ["Reach", () => reachPanel(desk, life)], ["Lanes", () => lanesPanel(desk, life)]]);
  const buttons = plans.map(([name]) => button(name, { class: "pl-button pl-small", "aria-pressed": "false" }));
  const body = make("div", { class: "pl-closer-body" });
  const element = make("section", { class: "pl-closer", "aria-label": "A closer look" }, make("div", { class: "pl-closer-row" }, make("span", { class: "pl-title" }, "look closer"), ...buttons), body);
  /** @type {(Panel | undefined)[]} */
  const panels = plans.map(() => undefined); // each is made when it is first opened
  let open = -1;
  buttons.forEach((one, n) => life.listen(one, "click", () => {
    panels[open]?.leave?.();
    open = open === n ? -1 : n;
    const panel = open < 0 ? undefined : (panels[open] ??= plans[open][1]());
    body.replaceChildren(...(panel ? [panel.element] : []));
    desk.redraw();
  }));

  const draw = (/** @type {Picture} */ picture) => {
    attribute(element, "hidden", desk.offline);
    buttons.forEach((one, n) => attribute(one, "aria-pressed", String(open === n)));
    body.hidden = open < 0;
    if (!desk.offline) panels[open]?.draw(picture);
  };
  return { element, draw };
}
