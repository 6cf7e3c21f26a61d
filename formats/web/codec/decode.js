/** Files to pictures, with the network of the model's look. */

import { draw } from "./draw.js";
import { networkOf } from "./network.js";

/** @import { Bytes } from "./checks.js" */
/** @import { Model } from "./model.js" */
/** @import { DecodeOptions, DecodedPicture, NetworkOf } from "./draw.js" */

/** @type {NetworkOf} */
export function networkCorrection(model, strip) {
  const network = networkOf(model, strip);
  return (planes, count, scale) => network.correction(planes, count, scale);
}

/**
 * Draws a file, or any beginning of one that holds the header. Of more tokens than the model has, it draws the first.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {DecodedPicture} RGBA
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 * @throws {RangeError | TypeError} if an option is wrong
 */
export function decode(bytes, model, options = {}) {
  return draw(bytes, model, options, networkCorrection);
}
