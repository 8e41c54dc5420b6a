// @ts-check
/**
 * Take a view along: as a picture (SVG, PNG), or its figures as a table that a spreadsheet reads.
 *
 * A picture is the view itself in an SVG: its elements, the rules that style them, canvases as images, fields with what
 * they hold. Nothing is fetched and nothing leaves the page but the file that was asked for.
 */
import { attribute, button, make, write } from "./dom.js";

const SVG_SPACE = "http://www.w3.org/2000/svg";
const XHTML = "http://www.w3.org/1999/xhtml";
const HOST = ["--jp-layout-color1", "--jp-ui-font-family", "--jp-code-font-family"]; // what the theme asks its host
const SHARP = 2; // pixels of a PNG for each of the page
const TOLD = 1500; // milliseconds that an outcome stands

/**
 * A menu that saves a view. `rows` gives its figures, a head first.
 * @param {import("./dom.js").Lifetime} life @param {HTMLElement} root @param {{name: string, rows: () => string[][]}} plan @returns {HTMLElement}
 */
export function saving(life, root, { name, rows }) {
  const said = make("span", { class: "pl-muted", role: "status" });
  const choices = { "Copy table": copy, PNG: png, SVG: svg };
  const menu = make("div", { class: "pl-save-menu" }, ...Object.keys(choices).map((label) => button(label, { class: "pl-button pl-small", "data-how": label })), said);
  const summary = make("summary", { class: "pl-button pl-small" }, "Save");
  const element = /** @type {HTMLDetailsElement} */ (make("details", { class: "pl-save" }, summary, menu));
  const quiet = life.timer(TOLD, () => { write(said, ""); element.open = false; });
  const tell = (/** @type {string} */ text) => { write(said, text); quiet.start(); };
  life.listen(menu, "click", (/** @type {MouseEvent} */ event) => {
    const how = /** @type {Element} */ (event.target).closest("[data-how]")?.getAttribute("data-how");
    if (how) choices[/** @type {keyof typeof choices} */ (how)]().then(tell, (/** @type {unknown} */ error) => tell(`⚠ ${error instanceof Error ? error.message : error}`));
  });
  life.listen(element, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !element.open) return;
    element.open = false;
    summary.focus();
    event.stopPropagation();
  });

  async function copy() {
    await navigator.clipboard.writeText(tabbed(rows()));
    return "copied";
  }
  async function svg() {
    download(`${name}.svg`, new Blob([drawing(root).text], { type: "image/svg+xml" }));
    return "saved";
  }
  async function png() {
    download(`${name}.png`, await rastered(drawing(root)));
    return "saved";
  }
  return element;
}

/** Cells as text that a spreadsheet reads. @param {string[][]} rows */
export function tabbed(rows) {
  return rows.map((row) => row.map((cell) => cell.replace(/[\t\r\n]+/g, " ")).join("\t")).join("\n");
}

/** The cells of a table that stands in the page. @param {Element} table @returns {string[][]} */
export function cellsOf(table) {
  const rows = [...table.querySelectorAll("tr")].filter((row) => !row.hidden);
  return rows.map((row) => [...row.children].map((cell) => cell.textContent ?? ""));
}

/** A view as the text of an SVG. @param {HTMLElement} root */
function drawing(root) {
  const { width, height } = root.getBoundingClientRect();
  const copyOf = /** @type {HTMLElement} */ (root.cloneNode(true));
  const [old, fresh] = [root, copyOf].map((one) => [...one.querySelectorAll("canvas, input, select, details")]);
  fresh.forEach((one, n) => still(/** @type {HTMLElement} */ (old[n]), /** @type {HTMLElement} */ (one)));
  const look = getComputedStyle(root);
  copyOf.style.setProperty("color-scheme", look.colorScheme);
  for (const name of HOST) copyOf.style.setProperty(name, look.getPropertyValue(name));
  const sheet = make("style", {}, rulesOf(root.ownerDocument));
  const inner = make("div", { xmlns: XHTML }, sheet, copyOf);
  inner.style.setProperty("background", look.backgroundColor);
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  const text = `<svg xmlns="${SVG_SPACE}" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"><foreignObject width="100%" height="100%">${new XMLSerializer().serializeToString(inner)}</foreignObject></svg>`;
  return { text, width: w, height: h };
}

/** What a copied element holds is written into it. @param {HTMLElement} old @param {HTMLElement} fresh */
function still(old, fresh) {
  if (old instanceof HTMLCanvasElement) {
    const image = make("img", { src: old.toDataURL(), class: old.className, alt: "" });
    const { width, height } = old.getBoundingClientRect();
    image.style.setProperty("width", `${width}px`);
    image.style.setProperty("height", `${height}px`);
    fresh.replaceWith(image);
  } else if (old instanceof HTMLInputElement) attribute(fresh, "value", old.value);
  else if (old instanceof HTMLSelectElement) fresh.querySelectorAll("option").forEach((one, n) => attribute(one, "selected", n === old.selectedIndex));
  else attribute(fresh, "open", false);
}

/** The rules of the page that style views. @param {Document} page */
function rulesOf(page) {
  const found = [];
  for (const sheet of [...page.styleSheets, ...page.adoptedStyleSheets]) {
    try {
      for (const rule of sheet.cssRules) if (rule.cssText.includes(".polyloom")) found.push(rule.cssText);
    } catch { continue; } // a sheet from elsewhere, which does not let itself be read
  }
  return found.join("\n");
}

/** @param {{text: string, width: number, height: number}} picture @returns {Promise<Blob>} */
async function rastered({ text, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = SHARP * width;
  canvas.height = SHARP * height;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => { canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large")))); });
}

/** @param {string} name @param {Blob} content */
function download(name, content) {
  const link = /** @type {HTMLAnchorElement} */ (make("a", { download: name, href: URL.createObjectURL(content) }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
