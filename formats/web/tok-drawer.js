/** Has previews drawn in a worker, or here where there can be none. */

import { draw } from "./tok-bitmap.js";

/** ask: the Blob of a job as `draw` takes it; end: lets the worker go, and what it still had to do. */
export function drawer() {
  const waiting = new Map(); // number of a job -> { job, resolve, reject }
  let [worker, last] = [undefined, 0]; // undefined: not needed yet, null: there can be none

  function hire() {
    try {
      worker = new Worker(new URL("tok-worker.js", import.meta.url), { type: "module" });
    } catch {
      worker = null;
      return;
    }
    worker.onmessage = ({ data: { id, blob, error } }) => {
      const { resolve, reject } = waiting.get(id);
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

  const ask = (job) =>
    new Promise((resolve, reject) => {
      if (worker === undefined) hire();
      if (!worker) return resolve(draw(job));
      waiting.set(++last, { job, resolve, reject });
      return worker.postMessage({ id: last, job });
    });
  const end = () => {
    worker?.terminate();
    worker = undefined;
    waiting.clear();
  };
  return { ask, end };
}
