export function edgesOf(counts: ArrayLike<number>): Uint32Array;
/** @type {(radix: number) => number[]} counts of `radix` values, as equal as possible */
export const equalCounts: (radix: number) => number[];
/** For the level of a tile of an adaptive file. */
export const LEVEL_EDGES: Uint32Array<ArrayBufferLike>;
/** @type {(tokens: number, level: number) => number} a tile's tokens by its level and the header's tokens */
export const tileCount: (tokens: number, level: number) => number;
