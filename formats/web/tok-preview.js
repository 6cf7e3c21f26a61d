/** Shows `<img previewsrc="data:image/x-tok-bare;base64,...">` until the image itself is there. */

export { toBlob, toDataURL } from "./previews/bitmap.js";
export { start } from "./previews/start.js";

/** @typedef {import("./previews/start.js").PreviewOptions} PreviewOptions */
