/**
 * @param {ArrayLike<number>} counts of the values of a digit, with the sum 65536
 * @returns {Uint32Array} where each value's share begins, and where the last one ends
 */
export function edgesOf(counts: ArrayLike<number>): Uint32Array;
/** @type {(radix: number) => number[]} counts of `radix` values, as equal as possible */
export const equalCounts: (radix: number) => number[];
/** For the level of a tile of an adaptive file. */
export const LEVEL_EDGES: Uint32Array<ArrayBufferLike>;
export function tileCount(tokens: number, level: number): number;
