export type PreviewJob = import("./previews/job.js").PreviewJob;
export { draw, toBlob, toDataURL } from "./previews/files.js";
