/** Coefficients of tiles from tokens, and their samples. */

import { list, numbers } from "./arrays.js";
import { TILE } from "./header.js";

/** @import { Model, CodewordSet } from "./model.js" */

/** Weights of red, green and blue in the planes of opponent colours. */
export const THIRD = 1 / Math.sqrt(3);
export const HALF = 1 / Math.sqrt(2);
export const SIXTH = 1 / Math.sqrt(6);

/** @type {Map<number, Float64Array[]>} */
const bases = new Map();

/**
 * @param {number} count number of vectors, the lowest frequencies first
 * @param {number} size samples of each
 * @returns {Float64Array[]} DCT-II vectors, scaled for coefficients of the orthonormal one of 256 samples
 */
export function basis(count, size) {
  const key = count * 65536 + size;
  let waves = bases.get(key);
  if (!waves) {
    const wave = (/** @type {number} */ k, /** @type {number} */ n) =>
      Math.sqrt((k ? 2 : 1) / TILE) * Math.cos((Math.PI * k * (2 * n + 1)) / (2 * size));
    waves = list(count, (k) => numbers(size, (n) => wave(k, n)));
    bases.set(key, waves);
  }
  return waves;
}

/**
 * Calls back for every coefficient that a token changes.
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {number} token its place in the tile
 * @param {number} value 0..radix² - 1
 * @param {(dim: number, change: number) => void} call
 */
export function forEachChange({ radix, half }, { dims, words }, token, value, call) {
  for (let digit = 0; digit < 2; digit++) {
    const row = 2 * token + digit;
    const word = (row * radix + (digit ? value % radix : Math.floor(value / radix))) * half;
    for (let i = 0; i < half; i++) call(dims[row * half + i], words[word + i]);
  }
}

/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {ArrayLike<number>} tokens of a tile
 * @returns {Float64Array} the sum of the mean and the tokens' codewords
 */
export function coefficientsOf(model, set, tokens) {
  const vector = new Float64Array(model.size);
  for (let i = 0; i < set.mean.length; i++) vector[set.meanDims[i]] = set.mean[i];
  const add = (/** @type {number} */ dim, /** @type {number} */ change) => {
    vector[dim] += change;
  };
  for (let token = 0; token < tokens.length; token++) forEachChange(model, set, token, tokens[token], add);
  return vector;
}

/** @typedef {{ factor: number, values: Float64Array }} Term */

const NOTHING = { factor: 0, values: new Float64Array(TILE) };

/** @type {(terms: Term[], length: number) => Float64Array} added four at a time, which is faster */
function sumOf(terms, length) {
  const out = new Float64Array(length);
  for (let i = 0; i < terms.length; i += 4) {
    const [{ factor: f, values: a }, b = NOTHING, c = NOTHING, d = NOTHING] = terms.slice(i, i + 4);
    const [g, h, k] = [b.factor, c.factor, d.factor];
    const [p, q, r] = [b.values, c.values, d.values];
    for (let n = 0; n < length; n++) out[n] += f * a[n] + g * p[n] + h * q[n] + k * r[n];
  }
  return out;
}

/**
 * @param {Model} model
 * @param {Float64Array} vector coefficients of a tile
 * @param {number} width samples
 * @param {number} height samples
 * @returns {Float64Array[]} three planes of opponent colours, without frequencies that do not fit
 */
export function opponentPlanes(model, vector, width, height) {
  let at = 0;
  return [model.luma, model.chroma, model.chroma].map((side) => {
    const plane = new Float64Array(width * height);
    const across = basis(side, width);
    const down = basis(side, height);
    /** @type {{ row: number, line: Float64Array }[]} */
    const lines = [];
    for (let row = 0; row < Math.min(side, height); row++) {
      const terms = list(Math.min(side, width), (i) => ({ factor: vector[at + row * side + i], values: across[i] }));
      const present = terms.filter(({ factor }) => factor);
      if (!present.length) continue;
      lines.push({ row, line: sumOf(present, width) });
    }
    // Waves of even numbers are equal on both sides of the middle, and those of odd ones are opposite.
    const halves = [0, 1].map((parity) => lines.filter(({ row }) => row % 2 === parity));
    for (let y = 0; 2 * y < height; y++) {
      const [even, odd] = halves.map((half) => {
        const terms = half.map(({ row, line }) => ({ factor: down[row][y], values: line }));
        return sumOf(terms, width);
      });
      for (let x = 0, upper = y * width, lower = (height - 1 - y) * width; x < width; x++, upper++, lower++) {
        plane[upper] = even[x] + odd[x];
        plane[lower] = even[x] - odd[x];
      }
    }
    at += side * side;
    return plane;
  });
}
