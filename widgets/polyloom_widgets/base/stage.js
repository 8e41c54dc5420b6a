// @ts-check
/**
 * What a view that talks to Python begins and ends with: its root, a lifetime, a frame in which it is drawn, questions,
 * and a banner that says what is wrong.
 */
import { Questions } from "./ask.js";
import { attribute, keepClicks, keepKeys, Lifetime, make, write } from "./dom.js";

export class Stage {
  /** @param {any} model @param {string} name of its style @param {string} label */
  constructor(model, name, label) {
    this.model = model;
    this.life = new Lifetime();
    this.root = make("div", { class: `polyloom pl-${name}`, role: "group", "aria-label": label });
    this.banner = make("div", { class: "pl-trouble", role: "alert", hidden: true });
    this.refused = ""; // why Python did not take what the page reported last
    this.draw = () => {};
    this.redraw = this.life.frame(() => this.draw());
    this.questions = new Questions(model, this.life, this.redraw, (error) => { this.refused = error; });
    keepKeys(this.life, this.root);
    keepClicks(this.life, this.root);
  }

  /** Say what is wrong, or nothing. @param {string} [failure] of a question @returns {boolean} whether something is */
  tell(failure = "") {
    const trouble = String(this.model.get("error") ?? "") || this.refused || failure;
    write(this.banner, trouble ? `⚠ ${trouble}` : "");
    attribute(this.banner, "hidden", !trouble);
    return trouble !== "";
  }

  /** Stand in the page, drawn now and after each change of these traits. @param {HTMLElement} el @param {string[]} traits @param {() => void} draw @param {(trait: string) => void} [heard] before it is drawn anew @returns {() => void} the clean-up */
  open(el, traits, draw, heard = () => {}) {
    this.draw = draw;
    for (const trait of traits) this.life.follow(this.model, `change:${trait}`, () => { heard(trait); this.refused = ""; this.redraw(); });
    el.append(this.root);
    draw();
    return () => { this.life.end(); this.root.remove(); };
  }
}
