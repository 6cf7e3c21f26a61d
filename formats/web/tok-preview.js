/** Shows `<img previewsrc="data:image/x-tok-bare;base64,...">` until the image itself is there. */

export { toBlob, toDataURL } from "./previews/files.js";
export { start } from "./previews/start.js";

/** @typedef {import("./previews/start.js").PageModel} PageModel */
/** @typedef {import("./previews/start.js").PreviewOptions} PreviewOptions */
