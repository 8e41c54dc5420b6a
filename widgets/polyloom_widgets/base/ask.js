// @ts-check
/**
 * Questions to Python: `{op, id, …}` goes out, the answer with the same op and id comes back, bytes beside it.
 *
 * Questions carry a number; of each kind only the answer to the last one is handed on, so a slow answer never overtakes.
 * What a view sets is reported here too; where Python did not take it, its error (op "set") goes to `refused`.
 */

export class Questions {
  /** @param {any} model @param {import("./dom.js").Lifetime} life @param {() => void} redraw @param {(error: string) => void} refused */
  constructor(model, life, redraw, refused) {
    this.model = model;
    this.redraw = redraw;
    /** @type {Map<string, {id: number, handler: (answer: any, buffers: DataView[]) => void}>} */
    this.asked = new Map();
    this.count = Math.floor(Math.random() * 2 ** 40); // two views of one model ask with different numbers
    life.follow(model, "msg:custom", (/** @type {any} */ answer, /** @type {DataView[]} */ buffers) => {
      if (answer?.op === "set") { refused(answer.error); redraw(); }
      const waiting = this.asked.get(answer?.op);
      if (!waiting || waiting.id !== answer.id) return;
      this.asked.delete(answer.op);
      waiting.handler(answer, buffers ?? []);
      redraw();
    });
  }

  /** Set traits and tell Python. @param {Record<string, unknown>} traits */
  report(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
    this.redraw();
  }

  /** Ask; only the answer to the last question of this kind is handed on. @param {string} op @param {Record<string, unknown>} content @param {(answer: any, buffers: DataView[]) => void} handler */
  ask(op, content, handler) {
    const id = ++this.count;
    this.asked.set(op, { id, handler });
    this.model.send({ op, id, ...content });
  }
}
