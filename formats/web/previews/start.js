/** The polyfill of `previewsrc`: shows a preview until the image has loaded. */

import { Background } from "./background.js";
import { drawer } from "./drawer.js";
import { FINEST, queue } from "./queue.js";

/** @import { ModelFiles } from "./models.js" */
/** @import { Preview } from "./queue.js" */

/**
 * @typedef {string | URL | { first: string | URL, rest?: string | URL, network?: string | URL, name?: string }} PageModel
 *   the address of a model file, or those of its parts, and its name if `first` does not contain it
 */

/**
 * @typedef {object} PreviewOptions
 * @property {PageModel | PageModel[]} [model] the page's models, which are fetched when needed; by default base-3 and
 *   base-2, whose files are beside the module
 * @property {string | URL} [worker] address of `tok-worker.js`; by default beside the module
 * @property {number} [size] pixels of a first preview's longer side, 1..512; 64 by default
 * @property {string} [attribute] the one that holds the preview; by default `previewsrc`, else `data-previewsrc`
 * @property {Document | ShadowRoot | Element} [root] where the images are; the document by default
 * @property {(error: Error, img: HTMLImageElement) => void} [onError] takes each failure; by default the console takes
 *   one warning for each cause
 */

const OWN_MODELS = [
  {
    name: "base-3",
    first: new URL("../base-3-64.first.tokm", import.meta.url), // bundlers look for these
    rest: new URL("../base-3-64.rest.tokm", import.meta.url),
    network: new URL("../base-3-64.network.tokm", import.meta.url),
  },
  { name: "base-2", first: new URL("../base-2-64.tokm", import.meta.url) },
];
/** Distances from the window, and in elements that scroll, at which previews are drawn, and let go. */
const NEAR = { rootMargin: "600px", scrollMargin: "600px" };
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

/** @type {(model: PageModel) => ModelFiles} with whole addresses */
function filesOf(model) {
  const { name, ...files } = typeof model === "string" || model instanceof URL ? { first: model } : model;
  const whole = Object.entries(files).map(([part, address]) => [part, new URL(address, document.baseURI).href]);
  return { name, ...Object.fromEntries(whole) };
}

/**
 * @param {PreviewOptions} options
 * @param {string[]} names of the attributes that may hold the preview, the first that does counts
 * @returns {() => void} ends it
 */
function begin(options, names) {
  const { model = OWN_MODELS, size = 64, root = document, worker, onError = warner() } = options;
  const allowed = Number.isInteger(size) && size >= 1 && size <= FINEST;
  if (!allowed) throw new RangeError(`size must be 1..${FINEST}, not ${size}`);
  const { ask, end } = drawer(worker && new URL(worker, document.baseURI).href);
  /** @type {Map<HTMLImageElement, Preview>} */
  const previews = new Map();
  /** @type {WeakSet<HTMLImageElement>} */
  const painted = new WeakSet(); // have an image, which the browser goes on painting when src changes
  const show = (
    /** @type {Preview} */ { img, background },
    /** @type {string} */ address,
    /** @type {() => boolean} */ wanted,
  ) => background.show(address, wanted, () => painted.has(img) && !img.complete);
  const { add, next } = queue(previews, {
    addresses: [model].flat().map(filesOf),
    size,
    ask,
    show,
    fail: (error, img) => onError(error instanceof Error ? error : new Error(String(error)), img),
  });
  let views = 0;

  const urlOf = (/** @type {HTMLImageElement} */ img) => names.map((name) => img.getAttribute(name)).find(Boolean);

  function put(/** @type {HTMLImageElement} */ img, /** @type {string} */ url) {
    const background = new Background(img);
    previews.set(img, { img, url, background, near: false, seen: 0, prepared: null, stage: 0, shown: 0 });
  }

  function clear(/** @type {HTMLImageElement} */ img) {
    near.unobserve(img);
    view.unobserve(img);
    const preview = previews.get(img);
    previews.delete(img);
    preview?.background.remove();
  }

  function update(/** @type {HTMLImageElement} */ img) {
    const url = urlOf(img);
    if (img.complete && img.naturalWidth) painted.add(img);
    if (img.isConnected && previews.get(img)?.url === url && !img.complete) return;
    clear(img);
    if (!url || !PICTURE.test(url) || !img.isConnected || img.complete) return; // an image without a source is complete too
    put(img, url);
    near.observe(img);
    view.observe(img);
  }

  function approach(/** @type {Preview} */ preview) {
    const { img, url } = preview;
    preview.near = true;
    if (OURS.test(url)) add(preview);
    else show(preview, url.trim(), () => previews.get(img) === preview).catch(() => {}); // the browser reads it or not
  }

  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const preview = previews.get(/** @type {HTMLImageElement} */ (target));
      if (!preview || preview.near === isIntersecting) continue;
      if (isIntersecting) approach(preview);
      else {
        put(preview.img, preview.url); // its bitmaps are let go
        preview.background.remove();
      }
    }
  }, NEAR);
  const view = new IntersectionObserver((entries) => {
    views++;
    for (const { isIntersecting, target } of entries) {
      const preview = previews.get(/** @type {HTMLImageElement} */ (target));
      if (preview) preview.seen = isIntersecting ? views : 0;
    }
    next();
  });
  const changes = new MutationObserver((records) => {
    for (const { type, target, addedNodes, removedNodes } of records) {
      const nodes = type === "attributes" ? [target] : [...addedNodes, ...removedNodes];
      for (const img of nodes.flatMap(imagesIn)) if (urlOf(img) || previews.has(img)) update(img);
    }
  });
  const done = async (/** @type {Event} */ { type, target }) => {
    if (!(target instanceof HTMLImageElement)) return;
    if (type === "load") painted.add(target);
    else painted.delete(target);
    if (!previews.has(target)) return;
    previews.get(target)?.background.uncover();
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
    [...previews.keys()].forEach(clear);
    end();
  };
}
