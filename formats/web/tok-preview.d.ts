import type { Bytes, DecodeOptions, Model } from "./tok.js";

export interface PreviewOptions {
  /** Address of the model file, by default of `base-2-64.tokm` beside this module. */
  model?: string | URL;
  /** Samples of a preview's longer side, 64 by default. */
  size?: number;
}

/** Shows the previews of a page; nothing where the browser knows `previewsrc`. Returns a function that ends it. */
export function start(options?: PreviewOptions): () => void;
/** The picture of a file as a bitmap. */
export function toBlob(bytes: Bytes, model: Model, options?: DecodeOptions): Blob;
export function toDataURL(bytes: Bytes, model: Model, options?: DecodeOptions): string;
