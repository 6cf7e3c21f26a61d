/** The polyfill of `previewsrc`: shows a preview until the image has loaded. */

import { Background } from "./background.js";
import { drawer } from "./drawer.js";

/**
 * @typedef {object} PreviewOptions
 * @property {string | URL | (string | URL)[]} [model] addresses of the page's model files, which are fetched when
 *   needed; by default those of `base-3-64.tokm` and `base-2-64.tokm` beside the module
 * @property {number} [size] pixels of a first preview's longer side, 1..512; 64 by default
 * @property {string} [attribute] the one that holds the preview; by default `previewsrc`, else `data-previewsrc`
 * @property {Document | ShadowRoot | Element} [root] where the images are; the document by default
 * @property {(error: Error, img: HTMLImageElement) => void} [onError] takes each failure; by default the console takes
 *   one warning for each cause
 */

/** @typedef {{ url: string, background: Background }} Preview */

const OWN_MODELS = [
  new URL("../base-3-64.tokm", import.meta.url), // bundlers look for these
  new URL("../base-2-64.tokm", import.meta.url),
];
const NEAR = "600px"; // distance from the view at which previews are drawn
const FINEST = 512; // pixels of a finer preview's longer side
const SAMPLE = "data:image/x-tok;base64,9RBfAJAAAACy7ol5";
const PICTURE = /^\s*data:image\//i;
const OURS = /^\s*data:image\/x-tok(-bare)?[;,]/i;

/**
 * What stops the last `start` of a root.
 * @type {WeakMap<Node, () => void>}
 */
const ends = new WeakMap();

/**
 * Shows the previews of a page, also of elements that are added later, in browsers that do not.
 * Does nothing without a page or IntersectionObserver.
 * @param {PreviewOptions} [options]
 * @returns {() => void} stops it and its worker; another `start` of the same root does the same
 * @throws {RangeError} if `size` is none
 */
export function start(options = {}) {
  if (typeof document === "undefined" || typeof IntersectionObserver === "undefined") return () => {};
  const { root = document, attribute } = options;
  ends.get(root)?.();
  const names = attribute ? [attribute.toLowerCase()] : ["previewsrc", "data-previewsrc"];
  const known = "previewSrc" in HTMLImageElement.prototype;
  let ended = false;
  let end = begin(options, known ? names.filter((name) => name !== "previewsrc") : names);
  if (known && names[0] === "previewsrc") {
    const sample = new Image();
    sample.src = SAMPLE;
    sample.decode().catch(() => {
      if (ended) return;
      end(); // the browser knows the attribute, but not the type
      end = begin(options, names);
    });
  }
  const endAll = () => {
    if (!ended) end();
    ended = true;
  };
  ends.set(root, endAll);
  return endAll;
}

/** @type {(node: unknown) => HTMLImageElement[]} the images in it */
function imagesIn(node) {
  if (!(node instanceof Element)) return [];
  const inside = [...node.querySelectorAll("img")];
  return node instanceof HTMLImageElement ? [node, ...inside] : inside;
}

/** @returns {(error: Error, img: HTMLImageElement) => void} warns once for each cause */
function warner() {
  /** @type {Set<string>} */
  const told = new Set();
  return ({ message }, img) => {
    if (!told.has(message)) console.warn(`preview of ${(img.currentSrc || img.src).slice(0, 200)}: ${message}`, img);
    told.add(message);
  };
}

/**
 * @param {PreviewOptions} options
 * @param {string[]} names of the attributes that may hold the preview, the first that does counts
 * @returns {() => void} ends it
 */
function begin(options, names) {
  const { model = OWN_MODELS, size = 64, root = document, onError = warner() } = options;
  const allowed = Number.isInteger(size) && size >= 1 && size <= FINEST;
  if (!allowed) throw new RangeError(`size must be 1..${FINEST}, not ${size}`);
  const addresses = [model].flat().map((address) => new URL(address, document.baseURI).href);
  const { ask, end } = drawer();
  /** @type {Map<HTMLImageElement, Preview>} */
  const shown = new Map();
  /** @type {WeakSet<HTMLImageElement>} */
  const painted = new WeakSet(); // have an image, which the browser goes on painting when src changes
  /** @type {Promise<void>} */
  let turn = Promise.resolve(); // of the finer previews, which are slow

  const urlOf = (/** @type {HTMLImageElement} */ img) => names.map((name) => img.getAttribute(name)).find(Boolean);

  function clear(/** @type {HTMLImageElement} */ img) {
    near.unobserve(img);
    const preview = shown.get(img);
    shown.delete(img);
    preview?.background.remove();
  }

  async function show(/** @type {HTMLImageElement} */ img, /** @type {Preview} */ { url, background }) {
    near.unobserve(img);
    const wanted = () => shown.get(img)?.background === background; // otherwise the image has loaded
    const over = () => painted.has(img) && !img.complete;
    if (!OURS.test(url)) return background.show(url.trim(), wanted, over).catch(() => {}); // the browser reads it or not
    const drawAt = async (/** @type {number} */ side, fine = false) => {
      const blob = wanted() && (await ask({ addresses, url, size: side, fine }));
      if (blob && wanted()) await background.show(URL.createObjectURL(blob), wanted, over);
    };
    try {
      await drawAt(size);
      const side = Math.ceil(Math.max(img.clientWidth, img.clientHeight) * devicePixelRatio);
      const finer = turn.then(() => drawAt(Math.min(FINEST, Math.max(size, side)), true));
      turn = finer.catch(() => {});
      await finer;
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)), img);
    }
  }

  function update(/** @type {HTMLImageElement} */ img) {
    const url = urlOf(img);
    if (img.complete && img.naturalWidth) painted.add(img);
    if (img.isConnected && shown.get(img)?.url === url && !img.complete) return;
    clear(img);
    if (!url || !PICTURE.test(url) || !img.isConnected || img.complete) return; // an image without a source is complete too
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
      for (const img of nodes.flatMap(imagesIn)) if (urlOf(img) || shown.has(img)) update(img);
    }
  });
  const done = async (/** @type {Event} */ { type, target }) => {
    if (!(target instanceof HTMLImageElement)) return;
    if (type === "load") painted.add(target);
    else painted.delete(target);
    if (!shown.has(target)) return;
    shown.get(target)?.background.uncover();
    await target.decode().catch(() => {}); // until it is drawn, the preview stays
    if (target.complete) clear(target); // otherwise it has a new src
  };
  const attributeFilter = [...names, "src", "srcset"];
  changes.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter });
  for (const event of ["load", "error"]) root.addEventListener(event, done, true);
  root.querySelectorAll("img").forEach(update);
  return () => {
    changes.disconnect();
    for (const event of ["load", "error"]) root.removeEventListener(event, done, true);
    [...shown.keys()].forEach(clear);
    end();
  };
}
