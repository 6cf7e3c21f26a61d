/** Coefficients to tokens, with the same search as tokcodec/tokenizers/codewords.py. */

import { numbers } from "./arrays.js";
import { forEachChange } from "./coefficients.js";
import { dot } from "./transform.js";

/** @import { Model, CodewordSet } from "./model.js" */

/**
 * @typedef {object} Path tokens of a tile
 * @property {Float64Array} rest what they leave of the coefficients
 * @property {number} left the weighted square of it
 * @property {number[]} tokens
 * @property {number[]} errors squared error that 0, 1, ... of them leave
 */

/** @typedef {{ value: number, word: number }} Choice a codeword, and the error that it saves less its price */

/**
 * @typedef {object} Prices for each codeword of all digits, [row][value]
 * @property {Float64Array} weighted its coefficients times their weights, as in `words`
 * @property {Float64Array} halves half of its weighted square
 * @property {Float64Array} bits price of its bits, as a part of the error left
 */

const RATE_WEIGHT = 0.013; // price of a bit, as a part of the error left over the number of the token
const BEAM = [2, 4, 8]; // paths kept after each of the first tokens
const BEAM_TOKENS = 16; // tokens that are searched together
const BEST = 3; // codewords of each digit that may continue a path

/** @type {WeakMap<CodewordSet, Prices>} */
const prices = new WeakMap();

/** @type {(model: Model, dim: number) => number} weight of a coefficient's squared error */
function weightOf({ luma, chroma, weights }, dim) {
  if (dim < luma ** 2) return weights[0];
  return weights[dim < luma ** 2 + chroma ** 2 ? 1 : 2];
}

/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @returns {Prices}
 */
function pricesOf(model, set) {
  let found = prices.get(set);
  if (!found) {
    const { radix, half } = model;
    const { words, rows, dims } = set;
    const weighted = numbers(words.length, (i) => {
      const dim = dims[Math.floor(i / (radix * half)) * half + (i % half)];
      return words[i] * weightOf(model, dim);
    });
    const halves = numbers(rows.length * radix, (i) => {
      let square = 0;
      for (let at = i * half; at < (i + 1) * half; at++) square += words[at] * weighted[at];
      return square / 2;
    });
    const bits = numbers(rows.length * radix, (i) => {
      const row = Math.floor(i / radix);
      return (RATE_WEIGHT / (2 * ((row >> 1) + 1))) * Math.log2(65536 / rows[row][i % radix]);
    });
    prices.set(set, (found = { weighted, halves, bits }));
  }
  return found;
}

/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {Path} path
 * @param {number} row a digit's
 * @param {number} number of codewords
 * @returns {Choice[]} the best codewords of the digit, the best first
 */
function bestWords(model, set, { rest, left }, row, number) {
  const { radix, half } = model;
  const { dims } = set;
  const { weighted, halves, bits } = pricesOf(model, set);
  /** @type {Choice[]} */
  const best = [];
  for (let word = 0; word < radix; word++) {
    const at = row * radix + word;
    let value = -halves[at] - left * bits[at];
    for (let i = 0; i < half; i++) value += rest[dims[row * half + i]] * weighted[at * half + i];
    if (best.length === number && value <= best[number - 1].value) continue;
    best.push({ value, word });
    best.sort((a, b) => b.value - a.value).splice(number);
  }
  return best;
}

/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {Float64Array} vector a tile's coefficients
 * @param {number} count of tokens that are wanted; more may be found
 * @returns {Path}
 */
export function search(model, set, vector, count) {
  const rest = vector.slice();
  for (let i = 0; i < set.mean.length; i++) rest[set.meanDims[i]] -= set.mean[i];
  const left = dot(
    rest,
    rest.map((value, dim) => value * weightOf(model, dim)),
  );
  /** @type {Path[]} */
  let paths = [{ rest, left, tokens: [], errors: [dot(rest, rest)] }];
  const together = Math.min(BEAM_TOKENS, model.tokens);
  for (let token = 0; token < Math.max(count, together); token++) {
    const width = token < together - 1 ? BEAM[Math.min(token, BEAM.length - 1)] : 1;
    const number = token < together ? BEST : 1;
    const candidates = paths.flatMap((path) => {
      const seconds = bestWords(model, set, path, 2 * token + 1, number);
      return bestWords(model, set, path, 2 * token, number).flatMap((first) =>
        seconds.map((second) => ({
          value: first.value + second.value - path.left / 2,
          path,
          token: first.word * model.radix + second.word,
        })),
      );
    });
    paths = candidates
      .sort((a, b) => b.value - a.value)
      .slice(0, width)
      .map((candidate) => {
        const next = { ...candidate.path, rest: width > 1 ? candidate.path.rest.slice() : candidate.path.rest };
        let error = next.errors[token];
        forEachChange(model, set, token, candidate.token, (dim, change) => {
          const less = change * (2 * next.rest[dim] - change);
          next.left -= weightOf(model, dim) * less;
          error -= less;
          next.rest[dim] -= change;
        });
        next.tokens = [...next.tokens, candidate.token];
        next.errors = [...next.errors, error];
        return next;
      });
  }
  return paths[0];
}
