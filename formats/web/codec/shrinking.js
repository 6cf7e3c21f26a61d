/** Resamples parts of pictures as Pillow does, to the bit, so that JavaScript and Python make the same files. */

import { clamp, list, numbers, sum } from "./arrays.js";
import { sinc } from "./resampling.js";

/** @typedef {{ from: number, shares: Float64Array }} Weights of samples `from`, `from` + 1, ..., as whole numbers */

const ONE = 2 ** 22; // a weight of 1: Pillow computes with whole numbers for samples of 8 bits
const SUPPORT = 3;

/**
 * @param {number} start of the part, in samples
 * @param {number} end
 * @param {number} side samples of the picture
 * @param {number} count samples of the result
 * @returns {Weights[]} Lanczos-3 kernels of its samples
 */
export function weightsOf(start, end, side, count) {
  const first = Math.fround(start); // Pillow takes single precision
  const scale = Math.fround(Math.fround(end) - first) / count;
  if (scale === 1 && Number.isInteger(first))
    return list(count, (i) => ({ from: first + i, shares: Float64Array.of(ONE) }));
  const wide = Math.max(1, scale);
  return list(count, (i) => {
    const centre = first + (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - SUPPORT * wide + 0.5));
    const to = Math.min(side, Math.trunc(centre + SUPPORT * wide + 0.5));
    const shares = numbers(to - from, (n) => {
      const distance = (from + n - centre + 0.5) * (1 / wide);
      return Math.abs(distance) < SUPPORT ? sinc(distance) * sinc(distance / 3) : 0;
    });
    const all = sum(shares);
    return { from, shares: shares.map((share) => Math.trunc((share / all) * ONE + (share < 0 ? -0.5 : 0.5))) };
  });
}

/**
 * @param {Weights[]} weights
 * @returns {[first: number, end: number]} the samples that they need
 */
export function rangeOf(weights) {
  const last = weights[weights.length - 1];
  return [weights[0].from, last.from + last.shares.length];
}

/**
 * @param {Weights} weights
 * @param {ArrayLike<number>} samples 0..255
 * @param {number} start of sample 0 among them
 * @param {number} step from one to the next
 * @returns {number} 0..255
 */
export function weighted({ from, shares }, samples, start, step) {
  let value = ONE / 2;
  for (let i = 0, at = start + from * step; i < shares.length; i++, at += step) value += shares[i] * samples[at];
  return clamp(Math.floor(value / ONE), 0, 255);
}
