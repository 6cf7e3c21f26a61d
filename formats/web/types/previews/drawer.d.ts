/**
 * @param {string} [address] of the worker; by default `tok-worker.js` beside the module
 * @returns {{ ask: (job: PreviewJob) => Promise<Blob | null>, end: () => void }} `end` drops pending jobs
 */
export function drawer(address?: string): {
    ask: (job: PreviewJob) => Promise<Blob | null>;
    end: () => void;
};
export type Waiting = {
    resolve: (blob: Blob | null) => void;
    reject: (error: Error) => void;
};
import type { PreviewJob } from "./job.js";
