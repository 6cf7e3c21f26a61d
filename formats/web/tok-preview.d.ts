export { toBlob, toDataURL } from "./tok-bitmap.js";

export interface PreviewOptions {
  /** Address of the model file, by default of `base-2-64.tokm` beside this module. */
  model?: string | URL;
  /** Samples of a first preview's longer side, 64 by default. */
  size?: number;
}

/** Shows the previews of a page; nothing where the browser knows `previewsrc`. Returns a function that ends it, as another start does. */
export function start(options?: PreviewOptions): () => void;
