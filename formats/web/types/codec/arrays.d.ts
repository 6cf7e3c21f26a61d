/**
 * @param {ArrayLike<number>} values
 * @returns {number}
 */
export function sum(values: ArrayLike<number>): number;
export function clamp(value: number, low: number, high: number): number;
export function list<T>(length: number, make: (index: number) => T): T[];
export function numbers(length: number, make: (index: number) => number): Float64Array<ArrayBuffer>;
