/**
 * @param {unknown} valid
 * @param {string} text
 * @returns {asserts valid}
 * @throws {TokError} with the text, unless `valid`
 */
export function check(valid: unknown, text: string): asserts valid;
/**
 * @param {Bytes} data
 * @returns {Uint8Array} the same memory as bytes
 * @throws {TypeError}
 */
export function asBytes(data: Bytes): Uint8Array;
/**
 * @param {number} value an argument, at least 1
 * @param {number} high its largest value
 * @param {string} name its name, for the error
 * @returns {number} the value
 * @throws {RangeError}
 */
export function checkInteger(value: number, high: number, name: string): number;
/**
 * @param {number} width
 * @param {number} height
 * @param {number} maxPixels
 * @throws {TokError} if the picture has more pixels
 */
export function checkSize(width: number, height: number, maxPixels: number): void;
/** Errors, and checks of arguments and files. */
/** @typedef {ArrayBuffer | ArrayBufferView} Bytes */
export const MAX_SIDE: 16383;
export const MAX_PIXELS: 89478485;
/** An error that a file causes, in one line. Wrong arguments are RangeError and TypeError. */
export class TokError extends Error {
}
export type Bytes = ArrayBuffer | ArrayBufferView;
