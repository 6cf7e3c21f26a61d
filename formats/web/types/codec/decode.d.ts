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
export function decode(bytes: Bytes, model: Model, options?: DecodeOptions): DecodedPicture;
export type Bytes = import("./checks.js").Bytes;
export type Model = import("./model.js").Model;
export type DecodeOptions = import("./draw.js").DecodeOptions;
export type DecodedPicture = import("./draw.js").DecodedPicture;
