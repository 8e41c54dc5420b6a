// @ts-check
/**
 * Faders that learn the knobs of a MIDI controller (Web MIDI): each knob turned while learning gets the next fader.
 *
 * A knob sends its place as a control change, 0 to 127, which is 0 to 2 on the track. When it rests its way is one step.
 * Browsers without Web MIDI, or that do not allow it here, show no button or say why.
 */
import { attribute, button, make, write } from "../base/dom.js";

const CONTROL = 0xb0; // the status byte of a control change, whatever its channel
const FULL_TURN = 127;
const TWICE = 2;
const KNOB_RESTS = 400; // milliseconds

/** @param {import("./desk.js").Desk} desk @param {import("../base/dom.js").Lifetime} life */
export function knobs(desk, life) {
  const learn = button("Learn knobs", { class: "pl-button pl-small", "aria-pressed": "false", hidden: !navigator.requestMIDIAccess });
  const said = make("span", { class: "pl-muted", role: "status" });
  const element = make("span", { class: "pl-bar" }, said, learn);
  /** @type {Map<string, number>} */
  const known = new Map(); // a knob, by channel and number: its fader
  /** @type {Promise<void> | null} */
  let opened = null;
  let [learning, trouble, ended] = [false, "", false];
  /** @type {number | null} */
  let turned = null;
  const rest = life.timer(KNOB_RESTS, () => {
    const k = turned;
    turned = null;
    if (k !== null && desk.draft) desk.release(`${desk.layers[k].name} ${desk.draft.weights[k].toFixed(2)}`);
  });

  const hear = (/** @type {{data: Uint8Array | null}} */ { data }) => {
    if (!data || (data[0] & 0xf0) !== CONTROL) return;
    const knob = `${data[0] & 0x0f} ${data[1]}`;
    if (learning && !known.has(knob) && known.size < desk.layers.length) {
      known.set(knob, known.size);
      if (known.size === desk.layers.length) learning = false;
      desk.redraw();
    }
    const k = known.get(knob);
    if (k === undefined) return;
    const weight = Math.round((100 * TWICE * data[2]) / FULL_TURN) / 100;
    turned = k;
    desk.drag({ weights: (desk.draft ?? desk.committed).weights.map((old, n) => (n === k ? weight : old)) });
    rest.start();
  };
  const open = async () => {
    const access = await navigator.requestMIDIAccess();
    if (ended) return; // the browser asks the person, who may take a while
    const listen = () => access.inputs.forEach((input) => { input.onmidimessage = hear; });
    listen();
    access.onstatechange = listen; // a controller that is plugged in later
    life.ends.add(() => { access.onstatechange = null; access.inputs.forEach((input) => { input.onmidimessage = null; }); });
  };
  life.ends.add(() => { ended = true; });
  life.listen(learn, "click", () => {
    learning = !learning;
    if (learning) known.clear();
    opened ??= open();
    opened.then(() => { trouble = ""; }, (/** @type {unknown} */ error) => { [learning, opened, trouble] = [false, null, `The browser gives no MIDI: ${error instanceof Error ? error.message : error}`]; }).finally(desk.redraw);
    desk.redraw();
  });

  const draw = () => {
    attribute(learn, "aria-pressed", String(learning));
    const next = desk.layers[known.size]?.name;
    write(said, trouble ? `⚠ ${trouble}` : learning ? `turn the knob for ${next}` : known.size ? `${known.size} knob${known.size > 1 ? "s" : ""} known` : "");
  };
  return { element, draw };
}
