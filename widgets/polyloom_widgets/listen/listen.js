// @ts-check
/**
 * Two pieces against one another: a switch that keeps the place, a picture of what differs, and blind tests.
 *
 * One player plays; to switch is to load the other piece at the same place. In a blind test the page draws who is who,
 * hides the picture and the names, and draws again after every vote.
 */
import { attribute, button, make, write } from "../base/dom.js";
import { cellsOf, saving } from "../base/save.js";
import { Player } from "../base/sound.js";
import { Stage } from "../base/stage.js";
import { picture } from "./difference.js";
import { liked, notesOf, placeOf, secondOf, toldApart } from "./places.js";

/** @typedef {import("./places.js").Vote} Vote */
/** @typedef {"open" | "abx" | "prefer"} Way */

const TRAITS = ["names", "notes_a", "notes_b", "bars", "levels", "votes", "side"];
const FINE = 100; // steps of a bar that the slider knows
/** @type {Record<Way, string>} */
const WAYS = { open: "Open", abx: "Can you tell them apart?", prefer: "Which is better?" };
const TASKS = {
  open: "",
  abx: "X is one of the two. Listen to all three, then say which.",
  prefer: "Both are hidden. Listen to ① and ②, then say which you like better.",
};
const coin = () => Number(crypto.getRandomValues(new Uint8Array(1))[0] & 1);

/** @param {{model: any, el: HTMLElement}} view @returns {() => void} */
function render({ model, el }) {
  const stage = new Stage(model, "listen", "Two pieces, to be heard against one another");
  const { life, root, questions } = stage;
  const player = new Player(life, stage.redraw);
  /** @type {Way} */
  let way = "open";
  let hidden = coin(); // which piece is X, or ①
  let pressed = 0; // of those that are heard: A, B, X, or ①, ②
  let loaded = "";
  /** @type {import("../base/sound.js").Heard[][]} */
  let pieces = [[], []];
  /** @type {{votes: unknown, names: unknown}} */
  let shown = { votes: null, names: null }; // in the table

  const side = () => (way === "open" ? Number(model.get("side")) : way === "abx" ? [0, 1, hidden][pressed] : pressed === 0 ? hidden : 1 - hidden);
  const bars = () => /** @type {number[][]} */ (model.get("bars") ?? [[0, 1], [0, 1]]);
  const place = () => placeOf(bars()[heard], player.at);
  let heard = 0; // the piece that the player holds

  const take = (/** @type {boolean} */ anew = false) => {
    const now = side();
    if (now === heard && loaded && !anew) return;
    const at = loaded ? place() : 0;
    [heard, loaded] = [now, "yes"];
    player.level = model.get("levels")?.[now] ?? 1;
    const seconds = bars()[now];
    const playing = player.playing;
    if (playing) player.pause();
    player.load(pieces[now], seconds[seconds.length - 1]);
    if (playing) player.play(secondOf(seconds, at)); // beyond the last bar of a shorter piece it ends
    else player.seek(secondOf(seconds, at));
  };
  const listenTo = (/** @type {number} */ which) => {
    pressed = which;
    if (way === "open") questions.report({ side: which });
    take();
    stage.redraw();
  };
  const enter = (/** @type {Way} */ next) => {
    [way, hidden, pressed] = [next, coin(), next === "open" ? Number(model.get("side")) : 0];
    take();
    stage.redraw();
  };
  const vote = (/** @type {number} */ which) => {
    const said = way === "abx" ? { kind: "abx", x: hidden, said: which } : { kind: "prefer", said: which === 0 ? hidden : 1 - hidden };
    questions.report({ votes: [...(model.get("votes") ?? []), said] });
    write(told, way === "abx" ? (hidden === which ? "Right." : `No, X was ${name(hidden)}.`) : `That was ${name(said.said)}.`);
    enter(way);
  };
  const name = (/** @type {number} */ which) => String(model.get("names")?.[which] ?? "AB"[which]);
  const play = () => { if (player.playing) player.pause(); else { take(); player.play(); } };

  const playing = button("Play", { class: "pl-button pl-main", "aria-keyshortcuts": "Space" }, "▶");
  const choices = [0, 1, 2].map((n) => button("", { class: "pl-button pl-side", "data-side": n }));
  const slider = /** @type {HTMLInputElement} */ (make("input", { type: "range", class: "pl-scrubber", min: 0, step: 1, "aria-label": "place" }));
  const clock = make("span", { class: "pl-muted pl-clock" });
  const ways = Object.entries(WAYS).map(([one, label]) => button(label, { class: "pl-button pl-small", "data-way": one }));
  const task = make("p", { class: "pl-task" });
  const answers = [0, 1].map((n) => button("", { class: "pl-button", "data-answer": n }));
  const told = make("span", { role: "status" });
  const verdicts = make("p", { class: "pl-muted pl-verdicts", role: "status" });
  const drawn = picture(life, (to) => { player.seek(secondOf(bars()[heard], to)); stage.redraw(); });
  const table = make("table", {}, make("caption", {}, "Votes"));
  root.append(
    make("div", { class: "pl-bar" }, playing, ...choices, clock, make("span", { class: "pl-space" }), saving(life, root, { name: "listen", rows: () => cellsOf(hiddenTable) })),
    stage.banner, slider, drawn.element,
    make("section", { class: "pl-blind", "aria-label": "Blind tests" }, make("div", { class: "pl-bar" }, ...ways), task, make("div", { class: "pl-bar" }, ...answers, told), verdicts),
  );
  const hiddenTable = make("div", { class: "pl-hidden" }, table);
  root.append(hiddenTable);

  life.listen(playing, "click", play);
  choices.forEach((one, n) => life.listen(one, "click", () => listenTo(n)));
  ways.forEach((one) => life.listen(one, "click", () => { write(told, ""); enter(/** @type {Way} */ (one.getAttribute("data-way"))); }));
  answers.forEach((one, n) => life.listen(one, "click", () => vote(n)));
  life.listen(slider, "input", () => { player.seek(secondOf(bars()[heard], Number(slider.value) / FINE)); stage.redraw(); });
  life.listen(root, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = ["a", "b", "x"].indexOf(event.key.toLowerCase());
    if (event.key === " " && !(/** @type {Element} */ (event.target).matches("button, summary"))) play();
    else if (at >= 0 && !choices[at].hidden) listenTo(at);
    else return;
    event.preventDefault();
  });
  const moving = life.frame(() => follow());
  const follow = () => { if (!player.playing) return; here(); moving(); };
  const here = () => {
    const at = place();
    const count = bars()[heard].length - 1;
    const told = `bar ${Math.min(count, Math.floor(at + 1e-6) + 1)}${way === "open" ? ` of ${count}` : ""}`; // a length would tell which it is
    slider.value = String(Math.round(at * FINE));
    attribute(slider, "aria-valuetext", told);
    write(clock, told);
    drawn.at(at);
  };

  const draw = () => {
    const longest = Math.max(...bars().map((one) => one.length - 1));
    slider.max = String(FINE * longest);
    attribute(playing, "aria-label", player.playing ? "Pause" : "Play");
    attribute(playing, "title", player.playing ? "Pause" : "Play");
    write(playing, player.playing ? "❚❚" : "▶");
    const labels = { open: [name(0), name(1)], abx: ["A", "B", "X"], prefer: ["①", "②"] }[way];
    choices.forEach((one, n) => {
      attribute(one, "hidden", n >= labels.length);
      write(one, labels[n] ?? "");
      attribute(one, "title", labels[n] ?? false);
      attribute(one, "aria-pressed", String(n === (way === "open" ? heard : pressed)));
    });
    for (const one of ways) attribute(one, "aria-pressed", String(one.getAttribute("data-way") === way));
    write(task, TASKS[way]);
    answers.forEach((one, n) => {
      attribute(one, "hidden", way === "open");
      write(one, way === "abx" ? `X is ${"AB"[n]}` : `${"①②"[n]} is better`);
    });
    drawn.show(way === "open" ? { notes: pieces, bars: bars(), names: [name(0), name(1)] } : null);
    /** @type {Vote[]} */
    const votes = model.get("votes") ?? [];
    write(verdicts, [apart(votes), better(votes)].filter(Boolean).join(" "));
    if (votes !== shown.votes || model.get("names") !== shown.names) tabled(table, votes, [name(0), name(1)]);
    shown = { votes, names: model.get("names") };
    stage.tell();
    here();
    moving();
  };

  /** @param {Vote[]} votes */
  const apart = (votes) => {
    const { count, total, p } = toldApart(votes);
    return total ? `Told apart: ${count} of ${total}; guessing does as well with p = ${p.toFixed(3)}.` : "";
  };
  /** @param {Vote[]} votes */
  const better = (votes) => {
    const { count, total, p } = liked(votes);
    return total ? `Liked better: ${name(0)} ${total - count}, ${name(1)} ${count}; p = ${p.toFixed(3)}.` : "";
  };
  const read = () => {
    pieces = ["notes_a", "notes_b"].map((trait) => notesOf(model.get(trait) ?? new DataView(new ArrayBuffer(0))));
    take(true);
  };
  read();
  return stage.open(el, TRAITS, draw, (trait) => { if (trait.startsWith("notes") || trait === "bars") read(); else if (trait === "side" && way === "open") take(); });
}

/** The votes as a table. @param {Element} table @param {Vote[]} votes @param {string[]} names */
function tabled(table, votes, names) {
  const row = (/** @type {string[]} */ cells, /** @type {string} */ tag) => make("tr", {}, ...cells.map((text) => make(tag, {}, text)));
  const told = votes.map((vote) => row([vote.kind, vote.x === undefined ? "" : names[vote.x], names[vote.said]], "td"));
  table.replaceChildren(make("caption", {}, "Votes"), make("thead", {}, row(["test", "X was", "said"], "th")), make("tbody", {}, ...told));
}

export default { render };
