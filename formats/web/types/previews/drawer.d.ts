/** @import { PreviewJob } from "./job.js" */
/** @typedef {(blob: Blob | null | PromiseLike<Blob | null>) => void} Resolve */
/** @typedef {{ job: PreviewJob, resolve: Resolve, reject: (error: Error) => void }} Waiting */
/** @returns {{ ask: (job: PreviewJob) => Promise<Blob | null>, end: () => void }} `end` drops pending jobs */
export function drawer(): {
    ask: (job: PreviewJob) => Promise<Blob | null>;
    end: () => void;
};
export type Resolve = (blob: Blob | null | PromiseLike<Blob | null>) => void;
export type Waiting = {
    job: PreviewJob;
    resolve: Resolve;
    reject: (error: Error) => void;
};
import type { PreviewJob } from "./job.js";
