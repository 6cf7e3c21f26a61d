/** Draws previews with the network in a worker. */

/** @import { PreviewJob } from "./job.js" */

/** @typedef {{ resolve: (blob: Blob | null) => void, reject: (error: Error) => void }} Waiting */

const WORKER = "../tok-worker.js";

/**
 * @param {string} [address] of the worker; by default `tok-worker.js` beside the module
 * @returns {{ ask: (job: PreviewJob) => Promise<Blob | null>, end: () => void }} `end` drops pending jobs
 */
export function drawer(address) {
  /** @type {Map<number, Waiting>} */
  const waiting = new Map(); // by the job's number
  /** @type {Worker | null | undefined} */
  let worker; // undefined: not needed yet; null: impossible
  let last = 0;

  const failure = () => new Error(`no worker at ${address ?? besides(WORKER)}: previews stay rough`);

  function startWorker() {
    try {
      worker = newWorker(address);
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
      for (const { reject } of waiting.values()) reject(failure());
      waiting.clear();
    };
  }

  return {
    ask: (job) =>
      new Promise((resolve, reject) => {
        if (worker === undefined) startWorker();
        if (!worker) return reject(failure());
        waiting.set(++last, { resolve, reject });
        return worker.postMessage({ id: last, job });
      }),
    end: () => {
      worker?.terminate();
      worker = undefined;
      waiting.clear();
    },
  };
}

/** @type {(file: string) => string} the address of a file by that of this module; bundlers do not look at it */
const besides = (file) => new URL(file, import.meta.url).href;

/**
 * @param {string} [address]
 * @returns {Worker}
 * @throws {Error} if the page's policy refuses it
 */
function newWorker(address) {
  try {
    if (!address) return new Worker(new URL("../tok-worker.js", import.meta.url), { type: "module" }); // for bundlers
  } catch {
    // The worker lies on another host, or the page wants Trusted Types.
  }
  const file = address ?? besides(WORKER);
  const same = new URL(file).origin === location.origin;
  const blob = () => new Blob([`import ${JSON.stringify(file)};`], { type: "text/javascript" });
  const script = same ? file : URL.createObjectURL(blob());
  return new Worker(/** @type {any} */ (trusted(script)), { type: "module" });
}

/** @type {{ createScriptURL: (url: string) => unknown } | undefined} */
let policy; // a name can be used once

/** @type {(script: string) => unknown} the address, in the form that Trusted Types want */
function trusted(script) {
  const { trustedTypes } = /** @type {any} */ (globalThis);
  if (!trustedTypes) return script;
  policy ??= trustedTypes.createPolicy("tokcodec", { createScriptURL: (/** @type {string} */ url) => url });
  return policy?.createScriptURL(script);
}
