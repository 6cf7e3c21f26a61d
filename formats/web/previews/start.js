/** The polyfill of `previewsrc`: shows a preview until the image has loaded. */

import { Background } from "./background.js";
import { drawer } from "./drawer.js";

/**
 * @typedef {object} PreviewOptions
 * @property {string | URL | (string | URL)[]} [model] addresses of the page's model files, which are fetched when
 *   needed; by default that of `base-2-64.tokm` beside the module
 * @property {number} [size] pixels of a first preview's longer side, 1..512; 64 by default
 */

/** @typedef {{ url: string, background: Background }} Preview */

const OWN_MODEL = new URL("../base-2-64.tokm", import.meta.url);
const NEAR = "600px"; // distance from the view at which previews are drawn
const FINEST = 512; // pixels of a finer preview's longer side
const SAMPLE = "data:image/x-tok;base64,9RBfAJAAAACy7ol5";

/** Stops the last `start`. */
let endLast = () => {};

/**
 * Shows the previews of a page, also of elements that are added later, in browsers that do not.
 * Does nothing without a page or IntersectionObserver.
 * @param {PreviewOptions} [options]
 * @returns {() => void} stops it and its worker; another `start` does the same
 */
export function start(options) {
  if (typeof document === "undefined" || typeof IntersectionObserver === "undefined") return () => {};
  endLast();
  let ended = false;
  let end = () => {};
  if (!("previewSrc" in HTMLImageElement.prototype)) end = begin(options);
  else {
    const sample = new Image();
    sample.src = SAMPLE;
    sample.decode().catch(() => {
      if (!ended) end = begin(options); // the browser knows the attribute, but not the type
    });
  }
  endLast = () => {
    if (!ended) end();
    ended = true;
  };
  return endLast;
}

/** @type {(node: unknown) => HTMLImageElement[]} the images in it */
function imagesIn(node) {
  if (!(node instanceof Element)) return [];
  const inside = [...node.querySelectorAll("img")];
  return node instanceof HTMLImageElement ? [node, ...inside] : inside;
}

/** @type {(options?: PreviewOptions) => () => void} */
function begin({ model = OWN_MODEL, size = 64 } = {}) {
  const allowed = Number.isInteger(size) && size >= 1 && size <= FINEST;
  if (!allowed) throw new RangeError(`size must be 1..${FINEST}, not ${size}`);
  const addresses = [model].flat().map((address) => new URL(address, document.baseURI).href);
  const { ask, end } = drawer();
  /** @type {Map<HTMLImageElement, Preview>} */
  const shown = new Map();
  /** @type {Promise<void>} */
  let turn = Promise.resolve(); // of the finer previews, which are slow

  function clear(/** @type {HTMLImageElement} */ img) {
    near.unobserve(img);
    const preview = shown.get(img);
    shown.delete(img);
    preview?.background.remove();
  }

  async function show(/** @type {HTMLImageElement} */ img, /** @type {Preview} */ preview) {
    near.unobserve(img);
    const wanted = () => shown.get(img) === preview; // otherwise the image has loaded
    const drawAt = async (/** @type {number} */ side, fine = false) => {
      const blob = wanted() && (await ask({ addresses, url: preview.url, size: side, fine }));
      if (blob && wanted()) await preview.background.show(blob, wanted);
    };
    try {
      await drawAt(size);
      const side = Math.ceil(Math.max(img.clientWidth, img.clientHeight) * devicePixelRatio);
      const finer = turn.then(() => drawAt(Math.min(FINEST, Math.max(size, side)), true));
      turn = finer.catch(() => {});
      await finer;
    } catch (error) {
      console.warn(`previewsrc: ${error instanceof Error ? error.message : error}`);
    }
  }

  function update(/** @type {HTMLImageElement} */ img) {
    const url = img.getAttribute("previewsrc");
    if (img.isConnected && shown.get(img)?.url === url && !img.complete) return;
    clear(img);
    if (!url || !img.isConnected || img.complete) return; // an image without a source is complete too
    shown.set(img, { url, background: new Background(img) });
    near.observe(img);
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        const img = /** @type {HTMLImageElement} */ (target);
        const preview = shown.get(img);
        if (isIntersecting && preview) show(img, preview);
      }
    },
    { rootMargin: NEAR },
  );
  const changes = new MutationObserver((records) => {
    for (const { type, target, addedNodes, removedNodes } of records) {
      const nodes = type === "attributes" ? [target] : [...addedNodes, ...removedNodes];
      for (const img of nodes.flatMap(imagesIn)) if (img.hasAttribute("previewsrc") || shown.has(img)) update(img);
    }
  });
  const done = async (/** @type {Event} */ { target }) => {
    if (!(target instanceof HTMLImageElement) || !shown.has(target)) return;
    await target.decode().catch(() => {}); // until it is drawn, the preview stays
    if (target.complete) clear(target); // otherwise it has a new src
  };
  const attributeFilter = ["previewsrc", "src", "srcset"];
  changes.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter });
  for (const event of ["load", "error"]) document.addEventListener(event, done, true);
  imagesIn(document.documentElement).forEach((img) => img.hasAttribute("previewsrc") && update(img));
  return () => {
    changes.disconnect();
    for (const event of ["load", "error"]) document.removeEventListener(event, done, true);
    [...shown.keys()].forEach(clear);
    end();
  };
}
