/**
 * Decodes `.tok` files (formats/tok-v1.md) with a model from `tokcodec models export-web`, in browsers and Node 18 or
 * newer. Names are those of the Python package.
 */

export { TokError } from "./codec/checks.js";
export { decode } from "./codec/decode.js";
export { readHeader } from "./codec/header.js";
export { loadModel } from "./codec/model.js";
export { fromBase64, fromDataURL, toBase64, toDataURL } from "./codec/text.js";
export { readTokens } from "./codec/tokens.js";

/** @typedef {import("./codec/checks.js").Bytes} Bytes */
/** @typedef {import("./codec/draw.js").DecodedPicture} DecodedPicture */
/** @typedef {import("./codec/draw.js").DecodeOptions} DecodeOptions */
/** @typedef {import("./codec/draw.js").Picture} Picture */
/** @typedef {import("./codec/encode.js").EncodeOptions} EncodeOptions */
/** @typedef {import("./codec/header.js").Header} Header */
/** @typedef {import("./codec/model.js").Model} Model */
/** @typedef {import("./codec/tokens.js").ReadOptions} ReadOptions */
