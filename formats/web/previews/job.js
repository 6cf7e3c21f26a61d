/** Draws one preview. */

import { TokError } from "../codec/checks.js";
import { draw } from "../codec/draw.js";
import { gridOf, readHeader } from "../codec/header.js";
import { fromDataURL } from "../codec/text.js";
import { bitmapBlob } from "./bitmap.js";
import { findModel, withParts } from "./models.js";

/** @import { NetworkOf } from "../codec/draw.js" */
/** @import { ModelFiles } from "./models.js" */

/**
 * @typedef {object} PreviewJob
 * @property {(string | ModelFiles)[]} addresses of model files, one for each model
 * @property {string} url a data URL
 * @property {number} size pixels of the longer side
 * @property {boolean} [fine] draw with all parts of the model, and with its network
 */

/**
 * @typedef {object} PreparedPreview
 * @property {() => Blob} draw makes a bitmap
 * @property {ModelFiles} files of its model
 * @property {boolean} more whether `fine` draws a better one
 */

const MAX_BYTES = 4096; // of a preview
const MAX_TILES = 256;
const MAX_FINE_TILES = 6; // that the network draws

/**
 * Checks a preview and fetches what it needs.
 * @param {PreviewJob} job
 * @param {NetworkOf | null} network null: the job is not `fine`
 * @returns {Promise<PreparedPreview | null>} null with `fine` if the first drawing cannot be improved
 * @throws {Error} if the data URL is bad, or the model is not there
 */
export async function prepare({ addresses, url, size, fine = false }, network) {
  const tooLong = `a preview has at most ${MAX_BYTES} bytes`;
  if (url.length > 4 * MAX_BYTES) throw new TokError(tooLong);
  const { bytes, bare, model: name } = fromDataURL(url);
  if (bytes.length > MAX_BYTES) throw new TokError(tooLong);
  const header = readHeader(bytes, { bare });
  const all = addresses.map((address) => (typeof address === "string" ? { first: address } : address));
  const { files, model: first } = await findModel(all, bytes, name);
  const { tiles } = gridOf(header, first.bounds, bare);
  if (tiles > MAX_TILES) throw new TokError(`a preview has at most ${MAX_TILES} tiles`);
  const drawsNetwork = tiles <= MAX_FINE_TILES && Boolean(files.network || first.looks[0] !== "bare");
  const needsRest = Boolean(files.rest) && header.tokens > first.tokens;
  const more = drawsNetwork || needsRest;
  if (fine && !more) return null;
  const model = fine ? await withParts(files, needsRest, drawsNetwork) : first;
  const look = fine && drawsNetwork ? model.looks[0] : "bare";
  const side = header.width < header.height ? "height" : "width";
  return { files, more, draw: () => bitmapBlob(draw(bytes, model, { bare, look, [side]: size }, network)) };
}
