/** Small helpers for numbers and arrays. */

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number} the value, moved into low..high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * @template T
 * @param {number} length
 * @param {(index: number) => T} make
 * @returns {T[]} what `make` returns for 0, 1, ... length - 1
 */
export const list = (length, make) => Array.from({ length }, (_, i) => make(i));

/**
 * @param {number} length
 * @param {(index: number) => number} make
 * @returns {Float64Array<ArrayBuffer>} what `make` returns for 0, 1, ... length - 1
 */
export const numbers = (length, make) => Float64Array.from({ length }, (_, i) => make(i));

/**
 * @param {ArrayLike<number>} values
 * @returns {number}
 */
export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
