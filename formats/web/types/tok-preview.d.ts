export { start } from "./previews/start.js";
export type PreviewOptions = import("./previews/start.js").PreviewOptions;
export { toBlob, toDataURL } from "./previews/bitmap.js";
