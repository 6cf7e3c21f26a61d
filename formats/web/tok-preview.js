/**
 * Gives meaning to `<img previewsrc="data:image/x-tok;base64,...">`: start() draws the preview as the background of the
 * image's own box until the image itself is there.
 */

import { draw } from "./tok-bitmap.js";

export { toBlob, toDataURL } from "./tok-bitmap.js";

const NEAR = "600px"; // from the view, where an element's preview is drawn
const SAMPLE = "data:image/x-tok;base64,9RBfAJAAAACy7ol5";
const STYLES = ["background-image", "background-size", "background-position", "background-origin", "background-repeat"];

/** A function that draws previews, in a worker where there can be one. */
function drawer(address, size) {
  let worker = null;
  const waiting = new Map();
  const here = (url) => draw(address, url, size);
  try {
    worker = new Worker(new URL("tok-bitmap.js", import.meta.url), { type: "module" });
  } catch {
    return here;
  }
  worker.onmessage = ({ data: { id, blob, error } }) => {
    const [resolve, reject] = waiting.get(id);
    waiting.delete(id);
    if (blob) resolve(blob);
    else reject(new Error(error));
  };
  worker.onerror = () => {
    worker = null; // it did not start
    for (const [resolve, , url] of waiting.values()) resolve(here(url));
    waiting.clear();
  };
  let last = 0;
  return (url) =>
    new Promise((resolve, reject) => {
      if (!worker) return resolve(here(url));
      waiting.set(++last, [resolve, reject, url]);
      worker.postMessage({ id: last, address, url, size });
    });
}

/**
 * Shows the previews of a page, of elements added later too, where the browser does not do it itself.
 * model: address of the model file; size: samples of a preview's longer side. Returns a function that ends it.
 */
export function start(options) {
  if (!("previewSrc" in HTMLImageElement.prototype)) return begin(options);
  let end = () => (end = null);
  const sample = new Image();
  sample.src = SAMPLE;
  sample.decode().catch(() => end && (end = begin(options))); // it knows the attribute, but not the type
  return () => end?.();
}

function begin({ model = new URL("base-2-64.tokm", import.meta.url), size = 64 } = {}) {
  const ask = drawer(new URL(model, document.baseURI).href, size);
  const shown = new Map(); // image -> { url, address of the blob, styles before }

  function clear(img) {
    near.unobserve(img);
    const was = shown.get(img);
    shown.delete(img);
    if (!was?.address) return;
    STYLES.forEach((name, i) => img.style.setProperty(name, was.styles[i]));
    URL.revokeObjectURL(was.address);
  }

  async function show(img) {
    near.unobserve(img);
    const mine = shown.get(img);
    const blob = await ask(mine.url).catch((error) => console.warn(`previewsrc: ${error.message}`));
    if (!blob || shown.get(img) !== mine) return; // the image was first
    mine.address = URL.createObjectURL(blob);
    mine.styles = STYLES.map((name) => img.style.getPropertyValue(name));
    const { objectFit, objectPosition } = getComputedStyle(img);
    const fit = objectFit === "cover" || objectFit === "contain" ? objectFit : "100% 100%";
    const values = [`url(${mine.address})`, fit, objectPosition, "content-box", "no-repeat"];
    STYLES.forEach((name, i) => img.style.setProperty(name, values[i]));
  }

  function look(img) {
    const url = img.getAttribute("previewsrc");
    if (shown.get(img)?.url === url && !img.complete) return;
    clear(img);
    if (!url || !img.isConnected || img.complete) return; // also complete: nothing to load
    shown.set(img, { url });
    near.observe(img);
  }

  const near = new IntersectionObserver(
    (entries) => entries.forEach(({ isIntersecting, target }) => isIntersecting && shown.has(target) && show(target)),
    { rootMargin: NEAR },
  );
  const all = (node) => [...(node.matches?.("img") ? [node] : []), ...(node.querySelectorAll?.("img") ?? [])];
  const changes = new MutationObserver((records) => {
    for (const { type, target, addedNodes, removedNodes } of records) {
      const nodes = type === "attributes" ? [target] : [...addedNodes, ...removedNodes];
      for (const node of nodes) for (const img of all(node)) if (img.hasAttribute("previewsrc") || shown.has(img)) look(img);
    }
  });
  const done = async ({ target }) => {
    if (!shown.has(target)) return;
    await target.decode?.().catch(() => {}); // until then the background shows through
    if (target.complete) clear(target); // else it has got another src
  };
  const attributeFilter = ["previewsrc", "src", "srcset"];
  changes.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter });
  for (const event of ["load", "error"]) document.addEventListener(event, done, true);
  document.querySelectorAll("img[previewsrc]").forEach(look);
  return () => {
    changes.disconnect();
    for (const event of ["load", "error"]) document.removeEventListener(event, done, true);
    [...shown.keys()].forEach(clear);
  };
}
