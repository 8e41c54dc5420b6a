// @ts-check
/**
 * One head as lines: the tokens twice, a line from each to those it looks at, thicker and fuller for more.
 *
 * The lines are drawn for what can be seen, from each query to its strongest keys; under a hand or a key, that query's
 * lines alone. The words are text; the canvas is as large as the window onto them.
 */
import { attribute, make, shownToken, style } from "../base/dom.js";
import { strongest } from "./look.js";

/** @typedef {import("./look.js").Look} Look */

const LINE = 20; // pixels a token
const KEYS_DRAWN = 8; // of each query; all of the one that is looked at
const FAINT = 0.02; // shares below are not drawn

/** @param {import("./look.js").Eye} eye @param {import("../base/dom.js").Lifetime} life @param {() => void} redraw @param {(query: number) => void} pin */
export function arcs(eye, life, redraw, pin) {
  const left = make("ol", { class: "pl-arc-words pl-arc-queries", "aria-label": "Queries" });
  const right = make("ol", { class: "pl-arc-words", "aria-label": "Keys" });
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { class: "pl-arc-lines", "aria-hidden": "true" }));
  const middle = make("div", { class: "pl-arc-middle" }, canvas);
  const element = make("div", { class: "pl-arcs", tabindex: 0, role: "application", "aria-roledescription": "attention lines", "aria-label": "Up and down move over queries, Enter pins one" }, left, middle, right);
  const context = canvas.getContext("2d");
  /** @type {Look | null} */
  let shown = null;
  let listed = "";

  life.width(element, redraw);
  life.listen(element, "scroll", redraw);
  const query = (/** @type {Event} */ event) => [...left.children].indexOf(/** @type {Element} */ (event.target).closest("li") ?? left);
  life.listen(left, "pointerover", (/** @type {PointerEvent} */ event) => { const at = query(event); if (at >= 0 && eye.point(at)) redraw(); });
  life.listen(left, "pointerleave", () => { if (eye.point(-1)) redraw(); });
  life.listen(left, "click", (/** @type {MouseEvent} */ event) => { const at = query(event); if (at >= 0) pin(at); });
  life.listen(element, "blur", () => { if (eye.point(-1)) redraw(); });
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = shown.token < 0 ? shown.rows : shown.token;
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: shown.rows - 1 }[event.key];
    if (to !== undefined && to >= 0 && to < shown.rows) {
      eye.point(to);
      shown = { ...shown, token: to }; // the next key may come before the next frame
      left.children[to].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" || event.key === " ") pin(at < shown.rows ? at : -1);
    else if (event.key === "Escape") { eye.point(-1); pin(-1); }
    else if (to === undefined) return;
    event.preventDefault();
    redraw();
  });

  const draw = (/** @type {Look} */ look) => {
    shown = look;
    const now = JSON.stringify([look.queries, look.keys]);
    if (now !== listed) {
      listed = now;
      const word = (/** @type {string} */ piece) => make("li", {}, shownToken(piece));
      left.replaceChildren(...look.queries.map(word));
      right.replaceChildren(...look.keys.map(word));
    }
    left.querySelector("[data-on]")?.removeAttribute("data-on");
    if (look.token >= 0) left.children[look.token]?.setAttribute("data-on", "");
    [...right.children].forEach((item, key) => style(/** @type {HTMLElement} */ (item), "--pl-share", look.token < 0 ? "0" : Math.abs(look.share(look.token, key)).toFixed(3)));
    attribute(right, "data-shaded", look.token >= 0);
    lines(look);
  };
  /** @param {Look} look */
  const lines = (look) => {
    const { clientWidth: width } = middle;
    const height = Math.min(element.clientHeight, LINE * Math.max(look.rows, look.columns));
    const sharp = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * sharp));
    canvas.height = Math.max(1, Math.round(height * sharp));
    style(canvas, "height", `${height}px`);
    if (!context || !width) return;
    context.scale(sharp, sharp);
    const top = element.scrollTop;
    const first = Math.max(0, Math.floor(top / LINE));
    const last = Math.min(look.rows - 1, Math.ceil((top + height) / LINE));
    for (let at = first; at <= last; at += 1) {
      if (look.token >= 0 && look.token !== at) continue;
      for (const { key, share } of strongest(look, at, look.token === at ? look.columns : KEYS_DRAWN)) {
        if (Math.abs(share) < FAINT) break;
        line(context, width, (at + 0.5) * LINE - top, (key + 0.5) * LINE - top, share);
      }
    }
  };
  return { element, draw };
}

/** A curve from a query to a key. @param {CanvasRenderingContext2D} context @param {number} width @param {number} from @param {number} to @param {number} share */
function line(context, width, from, to, share) {
  const size = Math.min(1, Math.abs(share));
  context.strokeStyle = share < 0 ? "rgb(224, 112, 26)" : "rgb(42, 143, 208)";
  context.globalAlpha = 0.15 + 0.85 * size;
  context.lineWidth = 0.75 + 3 * size;
  context.beginPath();
  context.moveTo(2, from);
  context.bezierCurveTo(width * 0.4, from, width * 0.6, to, width - 2, to);
  context.stroke();
}
