/** Small helpers for numbers and arrays. */

/** @type {(value: number, low: number, high: number) => number} */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * @template T
 * @param {number} length
 * @param {(index: number) => T} make
 * @returns {T[]} values of `make` for 0, 1, ... length - 1
 */
export const list = (length, make) => Array.from({ length }, (_, i) => make(i));

/** @type {(length: number, make: (index: number) => number) => Float64Array<ArrayBuffer>} */
export const numbers = (length, make) => Float64Array.from({ length }, (_, i) => make(i));

/** @param {ArrayLike<number>} values */
export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
