/** Counts of the range coder, and the edges of each value's share of its range. */

import { list } from "./arrays.js";

const SCALE = 2 ** 24; // parts into which the coder divides its range
const TOTAL = 65536; // sum of a row of counts
const FACTORS = [256, 181, 128, 91, 64, 45, 32, 23]; // tokens of a tile by its level, in 256ths of the largest number

/** @type {(radix: number) => number[]} counts of `radix` values, as equal as possible */
export const equalCounts = (radix) => list(radix, (v) => Math.floor(TOTAL / radix) + (v < TOTAL % radix ? 1 : 0));

/** @type {(counts: ArrayLike<number>) => Uint32Array} where each value's share begins, and where the last one ends */
export function edgesOf(counts) {
  const edges = new Uint32Array(counts.length + 1);
  for (let value = 0, below = 0; value < counts.length; below += counts[value], value++) {
    edges[value] = Math.floor((below * (SCALE - counts.length)) / TOTAL) + value;
  }
  edges[counts.length] = SCALE;
  return edges;
}

/** For the level of a tile of an adaptive file. */
export const LEVEL_EDGES = edgesOf(equalCounts(FACTORS.length));

/** @type {(tokens: number, level: number) => number} a tile's tokens by its level and the header's tokens */
export const tileCount = (tokens, level) => Math.max(1, Math.floor((tokens * FACTORS[level] + 128) / 256));
