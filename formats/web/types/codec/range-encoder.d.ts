/** @typedef {{ edges: Uint32Array, value: number }} Digit a value and the edges of its kind, from `edgesOf` */
/**
 * @param {Digit[]} digits
 * @returns {Uint8Array} the shortest payload whose continuations all hold the digits
 */
export function encodeDigits(digits: Digit[]): Uint8Array;
/**
 * a value and the edges of its kind, from `edgesOf`
 */
export type Digit = {
    edges: Uint32Array;
    value: number;
};
