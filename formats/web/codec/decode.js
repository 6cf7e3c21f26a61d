/** Files to pictures, with the network of the model's look. */

import { draw } from "./draw.js";
import { networkOf } from "./network.js";

/** @typedef {import("./checks.js").Bytes} Bytes */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./draw.js").DecodeOptions} DecodeOptions */
/** @typedef {import("./draw.js").DecodedPicture} DecodedPicture */

/**
 * Draws a file, or any beginning of one that holds the header.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {DecodedPicture} RGBA
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 * @throws {RangeError | TypeError} if an option is wrong
 */
export function decode(bytes, model, options = {}) {
  return draw(bytes, model, options, (owner, strip) => {
    const network = networkOf(owner, strip);
    return (planes, count, scale) => network.correction(planes, count, scale);
  });
}
