/** Files and previews to bitmaps, with the network of the model's look. */

import { decode, networkCorrection } from "../codec/decode.js";
import { toBase64 } from "../codec/text.js";
import { bitmapBlob, writeBitmap } from "./bitmap.js";
import { prepare } from "./job.js";

/** @import { Bytes } from "../codec/checks.js" */
/** @import { DecodeOptions } from "../codec/draw.js" */
/** @import { Model } from "../codec/model.js" */
/** @import { PreviewJob } from "./job.js" */

/**
 * @param {Bytes} bytes a file
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {Blob} its picture as a bitmap
 */
export const toBlob = (bytes, model, options) => bitmapBlob(decode(bytes, model, options));

/**
 * @param {Bytes} bytes a file
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {string} a data URL of its picture as a bitmap
 */
export const toDataURL = (bytes, model, options) =>
  `data:image/bmp;base64,${toBase64(writeBitmap(decode(bytes, model, options)))}`;

/**
 * @param {PreviewJob} job
 * @returns {Promise<Blob | null>} null with `fine` if the first drawing cannot be improved: the model has no network, or
 *   the file has too many tiles for it
 */
export const draw = async (job) => (await prepare(job, networkCorrection))?.draw() ?? null;
