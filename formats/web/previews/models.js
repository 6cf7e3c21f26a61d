/** Models of a page: fetches their files when they are needed, and finds the one of a preview. */

import { TokError } from "../codec/checks.js";
import { headerCheck } from "../codec/header.js";
import { loadModel } from "../codec/model.js";

/** @import { Model } from "../codec/model.js" */

/**
 * @typedef {object} ModelFiles addresses of a model's files
 * @property {string} first the first tokens, or a whole model
 * @property {string} [rest] the other codewords
 * @property {string} [network] the network of a look
 * @property {string} [name] of the model; without it the address of `first` is searched for the name
 */

const OLD = { id: 0x5f, name: "base-2" }; // the model of 1.0: its files name it by this byte

/** @type {Map<string, Promise<any>>} */
const kept = new Map(); // files by their address, and models by those of their parts

/**
 * @template T
 * @param {string} key
 * @param {() => Promise<T>} make
 * @returns {Promise<T>} what was made first; after a failure the next call tries again
 */
function keep(key, make) {
  let made = kept.get(key);
  if (!made) {
    made = make();
    made.catch(() => kept.delete(key));
    kept.set(key, made);
  }
  return made;
}

/** @type {(address: string, error: unknown) => Error} */
const naming = (address, error) => new Error(`${address}: ${error instanceof Error ? error.message : error}`);

/** @type {(address: string) => Promise<ArrayBuffer>} */
const fetched = (address) =>
  keep(address, async () => {
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(`${answer.status}`);
      return await answer.arrayBuffer();
    } catch (error) {
      throw naming(address, error);
    }
  });

/** @type {(...addresses: string[]) => Promise<Model>} the model of a first part and others */
const modelAt = (...addresses) =>
  keep(`model ${addresses.join(" ")}`, async () => {
    const [first, ...parts] = await Promise.all(addresses.map(fetched));
    try {
      return loadModel(first, ...parts);
    } catch (error) {
      throw naming(addresses.join(", "), error);
    }
  });

/** @type {(bytes: Uint8Array, model: Model) => boolean} whether a file was made with the model */
function belongs(bytes, { hash }) {
  return bytes.length >= 10 && headerCheck(bytes, hash) === 256 * bytes[8] + bytes[9];
}

/**
 * @param {ModelFiles[]} all models of the page; their first parts are fetched until the file's one is found
 * @param {Uint8Array} bytes a file
 * @param {string | null} name of a bare file's model
 * @returns {Promise<{ files: ModelFiles, model: Model }>} the file's model, with its first part alone
 * @throws {Error} if there is none, or it cannot be fetched
 */
export async function findModel(all, bytes, name) {
  const likely = name ?? (bytes[2] === OLD.id ? OLD.name : null); // so that no file of another model is fetched
  const named = (/** @type {ModelFiles} */ files) =>
    Number(likely !== null && (files.name === likely || files.first.includes(likely)));
  for (const files of [...all].sort((a, b) => named(b) - named(a))) {
    const model = await modelAt(files.first);
    if (name === null ? belongs(bytes, model) : model.name === name) return { files, model };
  }
  if (name !== null) throw new TokError(`it needs the model ${name}, of which start({ model }) names no file`);
  throw new TokError("its header is damaged, or start({ model }) names no file of its model");
}

/** @type {(files: ModelFiles, rest: boolean, network: boolean) => Promise<Model>} the model with further parts */
export function withParts({ first, rest, network }, wantsRest, wantsNetwork) {
  const parts = [wantsRest && rest, wantsNetwork && network];
  return modelAt(first, .../** @type {string[]} */ (parts.filter(Boolean)));
}

const SLOW = 100; // milliseconds for the first part: further ones would delay the page's images
const PATIENCE = 4000; // milliseconds

/**
 * Waits until further parts may be fetched: on a slow link, until the page has loaded or takes very long.
 * @param {string} address of the first part
 * @returns {Promise<boolean>} false if they should not be fetched at all, to save data
 */
export async function spare(address) {
  const { saveData = false, effectiveType = "" } = /** @type {any} */ (navigator).connection ?? {};
  if (saveData || effectiveType.endsWith("2g")) return false;
  const [timing] = performance.getEntriesByName(address);
  if (timing?.duration > SLOW && document.readyState !== "complete") {
    await new Promise((done) => {
      addEventListener("load", done, { once: true });
      setTimeout(done, PATIENCE);
    });
  }
  return true;
}
