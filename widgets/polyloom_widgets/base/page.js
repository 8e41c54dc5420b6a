// @ts-check
/**
 * A page without Python: the same module is given a model that holds the traits and tells the page's own listeners.
 * What it is asked by `send` it answers with an error, since nobody is there to ask.
 */
import { shown, Traits } from "./traits.js";

class PageModel extends Traits {
  /** @param {any} message */
  send(message) {
    queueMicrotask(() => this.tell("msg:custom", { id: message.id, op: message.op, error: "This page has no Python to ask." }, []));
  }
}

/** In a frame of JupyterLab a page takes the colours of the theme around it; frames of other sites are not asked. */
function followHost() {
  const host = window.frameElement?.ownerDocument.body;
  if (host?.dataset.jpThemeLight === undefined) return;
  const follow = () => {
    const light = host.dataset.jpThemeLight ?? "true";
    document.body.dataset.jpThemeLight = light;
    document.documentElement.style.colorScheme = light === "false" ? "dark" : "light";
  };
  new MutationObserver(follow).observe(host, { attributeFilter: ["data-jp-theme-light"] });
  follow();
}

/** @param {any} widget the module's default export */
async function openPage(widget) {
  followHost();
  const data = JSON.parse(document.querySelector("script[type='application/json']")?.textContent ?? "{}");
  await shown(widget, new PageModel(data.state, data.buffers), document.querySelector("main > div"));
}
