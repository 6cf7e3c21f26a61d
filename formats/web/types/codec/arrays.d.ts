/** @param {ArrayLike<number>} values */
export function sum(values: ArrayLike<number>): number;
/** Small helpers for numbers and arrays. */
/** @type {(value: number, low: number, high: number) => number} */
export const clamp: (value: number, low: number, high: number) => number;
export function list<T>(length: number, make: (index: number) => T): T[];
/** @type {(length: number, make: (index: number) => number) => Float64Array<ArrayBuffer>} */
export const numbers: (length: number, make: (index: number) => number) => Float64Array<ArrayBuffer>;
