/** Draws one preview. */

import { TokError } from "../codec/checks.js";
import { gridOf, headerCheck, readHeader } from "../codec/header.js";
import { loadModel } from "../codec/model.js";
import { fromDataURL } from "../codec/text.js";
import { toBlob } from "./bitmap.js";

/** @import { Model } from "../codec/model.js" */

/**
 * @typedef {object} PreviewJob
 * @property {string[]} addresses of model files, one for each model
 * @property {string} url a data URL
 * @property {number} size pixels of the longer side
 * @property {boolean} [fine] draw with the model's network
 */

const MAX_BYTES = 4096; // of a preview
const MAX_TILES = 256;
const MAX_FINE_TILES = 6; // that the network draws, in about 60 ms each
const OLD = { id: 0x5f, name: "base-2" }; // the model of 1.0: its files name it by this byte

/** @type {Map<string, Promise<Model>>} */
const models = new Map(); // by address

/** @type {(address: string) => Promise<Model>} */
function modelAt(address) {
  let model = models.get(address);
  if (!model) {
    model = fetchModel(address).catch((error) => {
      throw new Error(`${address}: ${error instanceof Error ? error.message : error}`);
    });
    model.catch(() => models.delete(address)); // the next preview tries again
    models.set(address, model);
  }
  return model;
}

/** @param {string} address */
async function fetchModel(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return loadModel(await answer.arrayBuffer());
}

/** @type {(bytes: Uint8Array, model: Model) => boolean} whether a file was made with the model */
function belongs(bytes, { hash }) {
  return bytes.length >= 10 && headerCheck(bytes, hash) === 256 * bytes[8] + bytes[9];
}

/**
 * @param {string[]} addresses of model files, which are fetched until the model is found
 * @param {Uint8Array} bytes a file
 * @param {string | null} name of a bare file's model
 * @returns {Promise<Model>} the file's model
 */
async function modelOf(addresses, bytes, name) {
  const likely = name ?? (bytes[2] === OLD.id ? OLD.name : null); // so that no file of another model is fetched
  const named = (/** @type {string} */ address) => Number(likely !== null && address.includes(likely));
  for (const address of [...addresses].sort((a, b) => named(b) - named(a))) {
    const model = await modelAt(address);
    if (name === null ? belongs(bytes, model) : model.name === name) return model;
  }
  if (name !== null) throw new TokError(`it needs the model ${name}, of which start({ model }) names no file`);
  throw new TokError("its header is damaged, or start({ model }) names no file of its model");
}

/**
 * @param {PreviewJob} job
 * @returns {Promise<Blob | null>} null with `fine` if the model has no network or the file has too many tiles for it
 */
export async function draw({ addresses, url, size, fine = false }) {
  const tooLong = `a preview has at most ${MAX_BYTES} bytes`;
  if (url.length > 4 * MAX_BYTES) throw new TokError(tooLong);
  const { bytes, bare, model: name } = fromDataURL(url);
  if (bytes.length > MAX_BYTES) throw new TokError(tooLong);
  const header = readHeader(bytes, { bare });
  const model = await modelOf(addresses, bytes, name);
  const { tiles } = gridOf(header, model.bounds, bare);
  if (tiles > MAX_TILES) throw new TokError(`a preview has at most ${MAX_TILES} tiles`);
  if (fine && (model.looks[0] === "bare" || tiles > MAX_FINE_TILES)) return null;
  const look = fine ? model.looks[0] : "bare";
  return toBlob(bytes, model, { bare, look, [header.width < header.height ? "height" : "width"]: size });
}
