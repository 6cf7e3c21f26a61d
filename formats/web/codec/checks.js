/** Errors, and checks of arguments and files. */

/** @typedef {ArrayBuffer | ArrayBufferView} Bytes */

export const MAX_SIDE = 16383; // pixels along a side that the format can store
export const MAX_PIXELS = 89478485; // default limit, as in Python

/** An error that a file causes, in one line. Wrong arguments are RangeError and TypeError. */
export class TokError extends Error {
  name = "TokError";
}

/**
 * @param {unknown} valid
 * @param {string} text
 * @returns {asserts valid}
 * @throws {TokError} with the text, unless `valid`
 */
export function check(valid, text) {
  if (!valid) throw new TokError(text);
}

/** @type {(data: Bytes) => Uint8Array} the same memory; throws a TypeError */
export function asBytes(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) throw new TypeError("bytes must be a Uint8Array or an ArrayBuffer");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @type {(value: number, high: number, name: string) => number} throws a RangeError unless 1 <= value <= high */
export function checkInteger(value, high, name) {
  if (Number.isInteger(value) && value >= 1 && value <= high) return value;
  throw new RangeError(`${name} must be 1..${high}, not ${value}`);
}

/** @type {(width: number, height: number, maxPixels: number) => void} throws a TokError for more pixels */
export function checkSize(width, height, maxPixels) {
  check(width * height <= maxPixels, `${width}x${height} pixels exceed the limit of ${maxPixels} (maxPixels)`);
}
