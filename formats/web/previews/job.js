/** One preview: from its data URL to a bitmap. */

import { TokError } from "../codec/checks.js";
import { gridOf, readHeader } from "../codec/header.js";
import { loadModel } from "../codec/model.js";
import { fromDataURL } from "../codec/text.js";
import { toBlob } from "./bitmap.js";

/** @typedef {import("../codec/model.js").Model} Model */

/**
 * @typedef {object} PreviewJob
 * @property {string} address of the model file
 * @property {string} url a data URL
 * @property {number} size pixels of the longer side
 * @property {boolean} [fine] draw it with the model's network instead of the sum of the codewords alone
 */

const MAX_BYTES = 4096; // of a preview
const MAX_TILES = 256;
const MAX_FINE_TILES = 6; // that the network draws: each takes it about 60 ms

/** @type {Map<string, Promise<Model>>} */
const models = new Map(); // by their address: one serves all previews

/**
 * @param {string} address
 * @returns {Promise<Model>}
 */
function modelAt(address) {
  let model = models.get(address);
  if (!model) {
    model = fetchModel(address).catch((error) => {
      throw new Error(`${address}: ${error instanceof Error ? error.message : error}`);
    });
    model.catch(() => models.delete(address)); // the next preview tries again
    models.set(address, model);
  }
  return model;
}

/** @param {string} address */
async function fetchModel(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return loadModel(await answer.arrayBuffer());
}

/**
 * Draws the preview of a data URL.
 * @param {PreviewJob} job
 * @returns {Promise<Blob | null>} null with `fine` where the model has no network, or where that would take long
 */
export async function draw({ address, url, size, fine = false }) {
  const tooLong = `a preview has at most ${MAX_BYTES} bytes`;
  if (url.length > 4 * MAX_BYTES) throw new TokError(tooLong);
  const { bytes, bare } = fromDataURL(url);
  if (bytes.length > MAX_BYTES) throw new TokError(tooLong);
  const model = await modelAt(address);
  const header = readHeader(bytes, { bare });
  const { tiles } = gridOf(header, model.bounds, bare);
  if (tiles > MAX_TILES) throw new TokError(`a preview has at most ${MAX_TILES} tiles`);
  if (fine && (model.looks[0] === "bare" || tiles > MAX_FINE_TILES)) return null;
  const look = fine ? model.looks[0] : "bare";
  return toBlob(bytes, model, { bare, look, [header.width < header.height ? "height" : "width"]: size });
}
