/** Draws files as bitmaps, for pages that have only a `.tok` file, and previews by their data URLs. */

export { toBlob, toDataURL } from "./previews/bitmap.js";
export { draw } from "./previews/job.js";

/** @typedef {import("./previews/job.js").PreviewJob} PreviewJob */
