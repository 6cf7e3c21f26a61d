/** @import { PreviewJob } from "./job.js" */
/**
 * @typedef {object} Waiting
 * @property {PreviewJob} job
 * @property {(blob: Blob | null | PromiseLike<Blob | null>) => void} resolve
 * @property {(error: Error) => void} reject
 */
/**
 * @typedef {object} Drawer
 * @property {(job: PreviewJob) => Promise<Blob | null>} ask resolves to the job's picture, see `draw`
 * @property {() => void} end terminates the worker and drops pending jobs
 */
/** @returns {Drawer} */
export function drawer(): Drawer;
export type Waiting = {
    job: PreviewJob;
    resolve: (blob: Blob | null | PromiseLike<Blob | null>) => void;
    reject: (error: Error) => void;
};
export type Drawer = {
    /**
     * resolves to the job's picture, see `draw`
     */
    ask: (job: PreviewJob) => Promise<Blob | null>;
    /**
     * terminates the worker and drops pending jobs
     */
    end: () => void;
};
import type { PreviewJob } from "./job.js";
