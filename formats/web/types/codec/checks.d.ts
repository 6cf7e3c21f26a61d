/**
 * @param {unknown} valid
 * @param {string} text
 * @returns {asserts valid}
 * @throws {TokError} with the text, unless `valid`
 */
export function check(valid: unknown, text: string): asserts valid;
export function asBytes(data: Bytes): Uint8Array;
export function checkInteger(value: number, high: number, name: string): number;
export function checkSize(width: number, height: number, maxPixels: number): void;
/** Errors, and checks of arguments and files. */
/** @typedef {ArrayBuffer | ArrayBufferView} Bytes */
export const MAX_SIDE: 16383;
export const MAX_PIXELS: 89478485;
/** An error that a file causes, in one line. Wrong arguments are RangeError and TypeError. */
export class TokError extends Error {
}
export type Bytes = ArrayBuffer | ArrayBufferView;
