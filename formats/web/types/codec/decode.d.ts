/** @import { Bytes } from "./checks.js" */
/** @import { Model } from "./model.js" */
/** @import { DecodeOptions, DecodedPicture } from "./draw.js" */
/**
 * Draws a file, or any beginning of one that holds the header.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {DecodedPicture} RGBA
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 * @throws {RangeError | TypeError} if an option is wrong
 */
export function decode(bytes: Bytes, model: Model, options?: DecodeOptions): DecodedPicture;
import type { Bytes } from "./checks.js";
import type { Model } from "./model.js";
import type { DecodeOptions } from "./draw.js";
import type { DecodedPicture } from "./draw.js";
