export { draw } from "./previews/job.js";
export type PreviewJob = import("./previews/job.js").PreviewJob;
export { toBlob, toDataURL } from "./previews/bitmap.js";
