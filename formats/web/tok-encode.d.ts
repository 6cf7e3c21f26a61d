import type { EncodeOptions, Model, Picture } from "./tok.js";

/** The bytes of a `.tok` file, or of a bare one. */
export function encode(picture: Picture, model: Model, options?: EncodeOptions): Uint8Array<ArrayBuffer>;
