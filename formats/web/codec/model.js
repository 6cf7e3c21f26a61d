/** A model from a `.tokm` file or its parts: codewords, counts of the range coder, and the network of a look. */

import { list, sum } from "./arrays.js";
import { TokError, asBytes, check } from "./checks.js";
import { edgesOf, equalCounts } from "./counts.js";
import { TILE } from "./header.js";

/** @import { Bytes } from "./checks.js" */
/** @typedef {(Uint16Array | Int8Array | Float32Array) & { shape: number[] }} ModelArray */
/** @typedef {Record<string, ModelArray>} ModelArrays */

/**
 * @typedef {{ format: number, name: string, hash: string, tokens: number, all_tokens: number, radix: number,
 *   half: number, luma: number, chroma: number, bounds: number[], scales: number, look: string | null,
 *   weights?: number[], from?: number, arrays: [name: string, type: string, shape: number[]][] }} ModelHead see README.md
 */

/** @typedef {{ head: ModelHead, arrays: ModelArrays }} ModelFile */

/**
 * @typedef {object} CodewordSet codewords of one scale; token t's digit d has row 2 t + d
 * @property {ArrayLike<number>} mean the mean tile's larger coefficients
 * @property {ArrayLike<number>} meanDims their places
 * @property {ArrayLike<number>} dims places of the coefficients that a digit changes, [row][half]
 * @property {Float64Array} words changes of them by each value of a digit, [row][value][half]
 * @property {ArrayLike<number>[]} rows the coder's counts
 * @property {Uint32Array[]} edges of the rows needed so far
 */

/** @type {Record<string, Uint16ArrayConstructor | Int8ArrayConstructor | Float32ArrayConstructor>} */
const TYPES = { uint16: Uint16Array, int8: Int8Array, float32: Float32Array };
const MISFIT = "the model file is damaged: its arrays do not fit together";
const LARGEST_KERNEL = 3;

/** A model, as `loadModel` returns it. */
export class Model {
  /** @type {Uint32Array | undefined} */
  #flatEdges;
  /** @type {CodewordSet[]} */
  #sets;

  /**
   * @param {ModelHead} head
   * @param {ModelArrays} arrays
   * @internal
   */
  constructor(head, arrays) {
    const { tokens, all_tokens, radix, half, luma, chroma, bounds, scales, look, weights = [1, 1, 1] } = head;
    check(bounds.every((bound) => bound > 0) && all_tokens >= tokens, MISFIT);
    const sizes = [tokens, radix, half, luma, chroma, scales];
    check(sizes.every((n) => n >= 1 && n <= TILE) && scales <= bounds.length + 1, MISFIT);
    check(weights.length === 3 && weights.every((weight) => weight > 0 && weight < 1e6), MISFIT);
    const hexadecimal = /^[0-9a-f]{64}$/.test(head.hash) && head.hash.match(/../g);
    check(hexadecimal, MISFIT);
    /** @type {string} */
    this.name = head.name;
    /** 32 bytes that `.tok` files are checked against. */
    this.hash = Uint8Array.from(hexadecimal, (byte) => parseInt(byte, 16));
    /** Tokens per tile in the model file. */
    this.tokens = tokens;
    /** Tokens per tile of the whole model. */
    this.allTokens = all_tokens;
    /** @internal Values of each of a token's two digits. */
    this.radix = radix;
    /** @internal Coefficients that a digit changes. */
    this.half = half;
    /** @internal Coefficients along a side of the brightness plane. */
    this.luma = luma;
    /** @internal Coefficients along a side of the colour planes. */
    this.chroma = chroma;
    /**
     * Pixels along a tile's side, below each of which the next set of codewords is used.
     * @type {readonly number[]}
     */
    this.bounds = bounds;
    /** Sets of codewords in the model file. */
    this.scales = scales;
    /** @internal Coefficients of a tile. */
    this.size = luma ** 2 + 2 * chroma ** 2;
    /** @internal Weights of the squared errors of planes, for `encode`. */
    this.weights = weights;
    /**
     * Looks that `decode` can draw, its default first.
     * @type {readonly string[]}
     */
    this.looks = look ? [look, "bare"] : ["bare"];
    if (look) checkNetwork(arrays);
    /** @internal */
    this.arrays = arrays;
    this.#sets = list(scales, (scale) => this.#readSet(scale, arrays));
  }

  /**
   * @param {number} scale
   * @param {ModelArrays} arrays
   * @returns {CodewordSet}
   */
  #readSet(scale, arrays) {
    const { tokens, radix, half } = this;
    const read = (/** @type {string} */ key, /** @type {number} */ length) => {
      const array = arrays[`${scale}.${key}`];
      check(array?.length === length, MISFIT);
      return array;
    };
    const counts = read("counts", 2 * tokens * radix);
    const dims = read("dims", 2 * tokens * half);
    const quantised = read("words", 2 * tokens * radix * half);
    const step = read("step", 2 * tokens);
    const mean = arrays[`${scale}.mean`];
    const meanDims = read("mean.dims", mean?.length);
    check(
      [dims, meanDims].every((places) => places.every((place) => place < this.size)),
      MISFIT,
    );
    const rows = list(2 * tokens, (row) => counts.subarray(row * radix, (row + 1) * radix));
    check(
      rows.every((row) => row.every((count) => count > 0) && sum(row) === 65536),
      MISFIT,
    );
    const words = new Float64Array(quantised.length);
    for (let i = 0; i < words.length; i++) words[i] = quantised[i] * step[Math.floor(i / (radix * half))];
    return { mean, meanDims, dims, rows, words, edges: [] };
  }

  /**
   * @param {number} scale
   * @returns {CodewordSet}
   * @throws {TokError} if the model file lacks it
   * @internal
   */
  set(scale) {
    const lacking = `the picture's tiles cover less than ${this.bounds[this.scales - 1]} pixels a side, for which this`;
    check(scale < this.scales, `${lacking} model file has no codewords (tokcodec models export-web --scales all)`);
    return this.#sets[scale];
  }

  /**
   * @param {number} scale
   * @param {number} row a digit's
   * @param {boolean} flat whether all values are equally likely
   * @returns {Uint32Array} edges of its values
   * @internal
   */
  edges(scale, row, flat) {
    if (flat) return (this.#flatEdges ??= edgesOf(equalCounts(this.radix)));
    const { edges, rows } = this.set(scale);
    return (edges[row] ??= edgesOf(rows[row]));
  }
}

/** @param {ModelArrays} arrays whose layers must each have a step and a bias for every output */
function checkNetwork(arrays) {
  for (const [key, { shape }] of Object.entries(arrays)) {
    if (!key.endsWith(".weight")) continue;
    const name = key.slice(0, -".weight".length);
    const [outputs, , kernel = 1] = shape;
    const fits = arrays[`${name}.bias`]?.length === outputs && arrays[`${name}.step`]?.length === outputs;
    check(fits && kernel <= LARGEST_KERNEL, `the model file is damaged: ${key}`);
  }
}

/** @type {(bytes: Uint8Array) => ModelFile} */
function parse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  check(bytes.length > 8 && view.getUint32(0) === 0x544f4b4d, "not a .tokm model file");
  let at = 8 + view.getUint32(4, true);
  check(at <= bytes.length, "the model file is cut");
  /** @type {ModelHead} */
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, at)));
  check(head.format === 1 || head.format === 2, "the model file needs another tok.js");
  /** @type {ModelArrays} */
  const arrays = {};
  for (const [name, type, shape] of head.arrays) {
    const end = at + shape.reduce((a, b) => a * b, TYPES[type].BYTES_PER_ELEMENT);
    check(end <= bytes.length, "the model file is cut");
    arrays[name] = Object.assign(new TYPES[type](bytes.slice(at, end).buffer), { shape });
    at = end + (-end & 3);
  }
  return { head, arrays };
}

/**
 * @param {ModelArray} first
 * @param {ModelArray} rest
 * @returns {ModelArray} one after the other
 */
function joined(first, rest) {
  const Type = /** @type {Int8ArrayConstructor} */ (first.constructor);
  const all = new Type(first.length + rest.length);
  all.set(first);
  all.set(rest, first.length);
  return Object.assign(all, { shape: [first.shape[0] + rest.shape[0], ...first.shape.slice(1)] });
}

/**
 * Joins the parts of a model. The first comes first: it describes the model.
 * @param {ModelFile[]} parts
 * @returns {ModelFile}
 */
function join([first, ...parts]) {
  let { head, arrays } = first;
  check(head.luma, "this is not the first part of a model");
  for (const part of parts) {
    const { hash, look, from, tokens } = part.head;
    check(hash === head.hash && !part.head.luma, "the parts are not those of one model");
    if (look) head = { ...head, look };
    else {
      check(from === head.tokens, "the parts of the model do not follow each other");
      head = { ...head, tokens };
    }
    const entries = Object.entries(part.arrays);
    const more = entries.map(([name, array]) => [name, arrays[name] ? joined(arrays[name], array) : array]);
    arrays = { ...arrays, ...Object.fromEntries(more) };
  }
  return { head, arrays };
}

/**
 * @param {Bytes} data a `.tokm` file, as `tokcodec models export-web` writes it, or the first part of a model
 * @param {...Bytes} parts the other parts that are wanted: the rest of the codewords, the network, or both
 * @returns {Model}
 * @throws {TokError} if it is not one, or a damaged one
 */
export function loadModel(data, ...parts) {
  const files = [data, ...parts].map(asBytes);
  try {
    const { head, arrays } = join(files.map(parse));
    return new Model(head, arrays);
  } catch (error) {
    throw error instanceof TokError ? error : new TokError("the model file is damaged");
  }
}

/** @param {unknown} model */
export function checkModel(model) {
  if (!(model instanceof Model)) throw new TypeError("model must be what loadModel returns");
}
