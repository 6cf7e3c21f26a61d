/** Draws files as bitmaps, for pages that have only a `.tok` file, and previews by their data URLs. */

export { draw, toBlob, toDataURL } from "./previews/files.js";

/** @typedef {import("./previews/job.js").PreviewJob} PreviewJob */
