/**
 * Gives meaning to `<img previewsrc="data:image/x-tok;base64,...">`: start() draws the preview as the background of the
 * image's own box until the image itself is there.
 */

import { Background } from "./tok-background.js";
import { drawer } from "./tok-drawer.js";

export { toBlob, toDataURL } from "./tok-bitmap.js";

const NEAR = "600px"; // from the view, where an element's preview is drawn
const FINEST = 512; // pixels of a finer preview's longer side
const SAMPLE = "data:image/x-tok;base64,9RBfAJAAAACy7ol5";

let endLast = () => {};

/**
 * Shows the previews of a page, of elements added later too, where the browser does not do it itself.
 * model: address of the model file; size: samples of a first preview's longer side. Returns a function that ends it.
 */
export function start(options) {
  endLast(); // one at a time
  let end = () => (end = null);
  if (!("previewSrc" in HTMLImageElement.prototype)) end = begin(options);
  else {
    const sample = new Image();
    sample.src = SAMPLE;
    sample.decode().catch(() => end && (end = begin(options))); // it knows the attribute, but not the type
  }
  return (endLast = () => end?.());
}

function begin({ model = new URL("base-2-64.tokm", import.meta.url), size = 64 } = {}) {
  if (!(Number.isInteger(size) && size >= 1 && size <= FINEST)) throw new RangeError(`size must be 1..${FINEST}, not ${size}`);
  const address = new URL(model, document.baseURI).href;
  const { ask, end } = drawer();
  const shown = new Map(); // image -> { url, background }
  let turn = Promise.resolve(); // of the finer previews, which take their time

  function clear(img) {
    near.unobserve(img);
    const was = shown.get(img);
    shown.delete(img);
    was?.background.remove();
  }

  async function show(img) {
    near.unobserve(img);
    const mine = shown.get(img);
    const wanted = () => shown.get(img) === mine; // else the image was first
    const drawn = async (more) => {
      const blob = wanted() && (await ask({ address, url: mine.url, ...more }));
      if (blob && wanted()) await mine.background.show(blob, wanted);
    };
    try {
      await drawn({ size });
      const side = Math.ceil(Math.max(img.clientWidth, img.clientHeight) * devicePixelRatio);
      const finer = turn.then(() => drawn({ size: Math.min(FINEST, Math.max(size, side)), fine: true }));
      turn = finer.catch(() => {});
      await finer;
    } catch (error) {
      console.warn(`previewsrc: ${error.message}`);
    }
  }

  function look(img) {
    const url = img.getAttribute("previewsrc");
    if (img.isConnected && shown.get(img)?.url === url && !img.complete) return;
    clear(img);
    if (!url || !img.isConnected || img.complete) return; // also complete: nothing to load
    shown.set(img, { url, background: new Background(img) });
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
    end();
  };
}
