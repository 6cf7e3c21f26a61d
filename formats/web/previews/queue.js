/**
 * Decides which preview is drawn next: roughly all near the view, those in view first, then with the network those in
 * view, the newest first.
 */

import { prepare } from "./job.js";
import { spare } from "./models.js";

/** @import { Background } from "./background.js" */
/** @import { ModelFiles } from "./models.js" */

/** @typedef {import("./job.js").PreparedPreview} PreparedPreview */

/**
 * @typedef {object} Preview of an image whose own picture is not there yet
 * @property {HTMLImageElement} img
 * @property {string} url of the preview
 * @property {Background} background
 * @property {boolean} near whether it is near the view
 * @property {number} seen counts when it came into view; 0 outside
 * @property {PreparedPreview | null} prepared
 * @property {number} stage what was drawn of it: nothing, ROUGH or FINE
 * @property {number} shown
 */

/**
 * @typedef {object} QueueOptions
 * @property {(string | ModelFiles)[]} addresses of the page's models
 * @property {number} size pixels of a rough preview's longer side
 * @property {(job: import("./job.js").PreviewJob) => Promise<Blob | null>} ask draws with the network, elsewhere
 * @property {(preview: Preview, address: string, wanted: () => boolean) => Promise<void>} show
 * @property {(error: unknown, img: HTMLImageElement) => void} fail
 */

export const FINEST = 512; // pixels of a finer preview's longer side
const [ROUGH, FINE] = [1, 2];
const SMALL = 64; // pixels of a box for which a rough preview is good enough
const SLICE = 8; // milliseconds of drawing, after which the page has its turn

/**
 * @param {Map<HTMLImageElement, Preview>} previews the page's; one that is replaced or removed is no longer drawn
 * @param {QueueOptions} options
 * @returns {{ add: (preview: Preview) => void, next: () => void }} `add` takes a preview that came near the view, `next`
 *   looks again for what is to be drawn
 */
export function queue(previews, { addresses, size, ask, show, fail }) {
  let drawing = false;
  let refining = false;

  /** @type {(fits: (preview: Preview) => boolean) => Preview | undefined} the newest in view of those that fit */
  const pick = (fits) => [...previews.values()].filter(fits).sort((a, b) => b.seen - a.seen)[0];
  const waits = (/** @type {Preview} */ { near, prepared, stage }) => near && prepared !== null && stage < ROUGH;
  const refinable = (/** @type {Preview} */ { img, prepared, seen, shown, stage }) =>
    Boolean(seen && prepared?.more && shown === ROUGH && stage < FINE) && sideOf(img) > SMALL;

  /**
   * Draws a preview, and lets it be shown meanwhile.
   * @param {Preview} preview
   * @param {number} stage
   * @param {() => Blob | null | Promise<Blob | null>} draw
   */
  async function advance(preview, stage, draw) {
    preview.stage = stage;
    const wanted = () => previews.get(preview.img) === preview && preview.shown < stage;
    const failed = (/** @type {unknown} */ error) => {
      preview.stage = FINE; // do not try again
      if (wanted()) fail(error, preview.img);
    };
    try {
      const blob = await draw();
      if (!blob || !wanted()) return;
      show(preview, URL.createObjectURL(blob), wanted).then(() => {
        preview.shown = Math.max(preview.shown, stage);
        refine();
      }, failed);
    } catch (error) {
      failed(error);
    }
  }

  async function drawAll() {
    if (drawing) return;
    drawing = true;
    let began = performance.now();
    for (let preview; (preview = pick(waits));) {
      const { draw } = /** @type {PreparedPreview} */ (preview.prepared);
      advance(preview, ROUGH, draw);
      if (performance.now() - began < SLICE) continue;
      await new Promise((turn) => setTimeout(turn));
      began = performance.now();
    }
    drawing = false;
  }

  async function refine() {
    const first = !refining && pick(refinable);
    if (!first) return;
    refining = true;
    const { files } = /** @type {PreparedPreview} */ (first.prepared);
    if (!(await spare(files.first))) return; // to save data, there are rough previews alone
    for (let preview; (preview = pick(refinable));) {
      const { img, url } = preview;
      const side = Math.min(FINEST, Math.max(size, Math.ceil(sideOf(img) * devicePixelRatio)));
      await advance(preview, FINE, () => ask({ addresses, url, size: side, fine: true }));
    }
    refining = false;
  }

  return {
    async add(preview) {
      try {
        preview.prepared = await prepare({ addresses, url: preview.url, size }, null);
        drawAll();
      } catch (error) {
        if (previews.get(preview.img) === preview) fail(error, preview.img);
      }
    },
    next() {
      drawAll();
      refine();
    },
  };
}

/** @type {(img: HTMLImageElement) => number} the longer side of its box, in CSS pixels */
const sideOf = (img) => Math.max(img.clientWidth, img.clientHeight);
