export { start } from "./previews/start.js";
export type PageModel = import("./previews/start.js").PageModel;
export type PreviewOptions = import("./previews/start.js").PreviewOptions;
export { toBlob, toDataURL } from "./previews/files.js";
