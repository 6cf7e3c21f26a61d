/** Draws previews in a worker, or else on the page's thread. */

import { draw } from "./job.js";

/** @import { PreviewJob } from "./job.js" */

/** @typedef {(blob: Blob | null | PromiseLike<Blob | null>) => void} Resolve */
/** @typedef {{ job: PreviewJob, resolve: Resolve, reject: (error: Error) => void }} Waiting */

/** @returns {{ ask: (job: PreviewJob) => Promise<Blob | null>, end: () => void }} `end` drops pending jobs */
export function drawer() {
  /** @type {Map<number, Waiting>} */
  const waiting = new Map(); // by the job's number
  /** @type {Worker | null | undefined} */
  let worker; // undefined: not needed yet; null: impossible
  let last = 0;

  function startWorker() {
    try {
      worker = new Worker(new URL("../tok-worker.js", import.meta.url), { type: "module" });
    } catch {
      worker = null;
      return;
    }
    worker.onmessage = ({ data: { id, blob, error } }) => {
      const { resolve, reject } = /** @type {Waiting} */ (waiting.get(id));
      waiting.delete(id);
      if (error === undefined) resolve(blob);
      else reject(new Error(error));
    };
    worker.onerror = () => {
      worker = null; // it did not start
      for (const { job, resolve } of waiting.values()) resolve(draw(job));
      waiting.clear();
    };
  }

  return {
    ask: (job) =>
      new Promise((resolve, reject) => {
        if (worker === undefined) startWorker();
        if (!worker) return resolve(draw(job));
        waiting.set(++last, { job, resolve, reject });
        return worker.postMessage({ id: last, job });
      }),
    end: () => {
      worker?.terminate();
      worker = undefined;
      waiting.clear();
    },
  };
}
