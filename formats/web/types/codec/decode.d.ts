export function networkCorrection(model: Model, strip: import("./convolution.js").Strip | null): import("./draw.js").Correct;
/**
 * Draws a file, or any beginning of one that holds the header. Of more tokens than the model has, it draws the first.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} [options]
 * @returns {DecodedPicture} RGBA
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 * @throws {RangeError | TypeError} if an option is wrong
 */
export function decode(bytes: Bytes, model: Model, options?: DecodeOptions): DecodedPicture;
import type { Model } from "./model.js";
import type { Bytes } from "./checks.js";
import type { DecodeOptions } from "./draw.js";
import type { DecodedPicture } from "./draw.js";
