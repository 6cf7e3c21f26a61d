/** Samples of tiles to pixels: Lanczos kernels, and blending weights. */

import { clamp, list, numbers, sum } from "./arrays.js";
import { tileEnd, tileStart } from "./header.js";

/** @typedef {{ from: number, shares: Float64Array }} Kernel weights of samples `from`, `from` + 1, ... */

/** @param {number} x */
export const sinc = (x) => (x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1);

/**
 * @param {number} place in samples, 0 at the edge of the first
 * @param {number} scale samples per pixel, by which the Lanczos-3 kernel is wider if above 1
 * @param {number} samples their number
 * @param {number} [total] sum of the weights; 1 by default
 * @returns {Kernel}
 */
export function lanczos(place, scale, samples, total = 1) {
  const wide = Math.max(1, scale);
  const from = Math.max(0, Math.ceil(place - 0.5 - 3 * wide));
  const shares = numbers(Math.min(samples, Math.floor(place + 0.5 + 3 * wide)) - from, (i) => {
    const distance = (from + i + 0.5 - place) / wide;
    return Math.abs(distance) < 3 ? sinc(distance) * sinc(distance / 3) : 0;
  });
  const all = sum(shares);
  return { from, shares: shares.map((share) => (share * total) / all) };
}

/**
 * @param {number} side pixels of the picture
 * @param {number} n tiles along it
 * @param {number} i a tile, from 0
 * @param {number} samples of the tile
 * @returns {{ first: number, pixels: Kernel[] }} the tile's first pixel, and for each pixel the weights of samples
 *   times its blending weight
 */
export function blending(side, n, i, samples) {
  const start = tileStart(side, n, i);
  const end = tileEnd(side, n, i);
  const first = Math.ceil(start - 0.5 - 1e-9);
  const ramp = (/** @type {number} */ x, /** @type {number} */ tile) => {
    const from = tileStart(side, n, tile);
    return clamp((x - from) / (tileEnd(side, n, tile - 1) - from), 0, 1);
  };
  const pixels = list(Math.min(side, Math.ceil(end - 0.5 - 1e-9)) - first, (pixel) => {
    const x = first + pixel + 0.5;
    const weight = (i > 0 ? ramp(x, i) : 1) * (i < n - 1 ? 1 - ramp(x, i + 1) : 1);
    const scale = samples / (end - start);
    return lanczos((x - start) * scale, scale, samples, weight);
  });
  return { first, pixels };
}

/** @type {(kernel: Kernel, values: ArrayLike<number>) => number} the weighted sum of values */
export function weigh({ from, shares }, values) {
  let value = 0;
  for (let i = 0; i < shares.length; i++) value += shares[i] * values[from + i];
  return value;
}

/** @type {(kernel: Kernel, plane: Float64Array, width: number) => Float64Array} the weighted sum of rows */
export function weighRows({ from, shares }, plane, width) {
  const line = new Float64Array(width);
  for (let i = 0; i < shares.length; i++) {
    for (let x = 0, at = (from + i) * width; x < width; x++, at++) line[x] += shares[i] * plane[at];
  }
  return line;
}
