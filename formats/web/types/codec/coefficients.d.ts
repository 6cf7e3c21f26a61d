/**
 * @param {number} count number of vectors, the lowest frequencies first
 * @param {number} size samples of each
 * @returns {Float64Array[]} DCT-II vectors, scaled for coefficients of the orthonormal one of 256 samples
 */
export function basis(count: number, size: number): Float64Array[];
/**
 * Calls back for every coefficient that a token changes.
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {number} token its place in the tile
 * @param {number} value 0..radix² - 1
 * @param {(dim: number, change: number) => void} call
 */
export function forEachChange({ radix, half }: Model, { dims, words }: CodewordSet, token: number, value: number, call: (dim: number, change: number) => void): void;
/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {ArrayLike<number>} tokens of a tile
 * @returns {Float64Array} the sum of the mean and the tokens' codewords
 */
export function coefficientsOf(model: Model, set: CodewordSet, tokens: ArrayLike<number>): Float64Array;
/**
 * @param {Model} model
 * @param {Float64Array} vector coefficients of a tile
 * @param {number} width samples
 * @param {number} height samples
 * @returns {Float64Array[]} three planes of opponent colours, without frequencies that do not fit
 */
export function opponentPlanes(model: Model, vector: Float64Array, width: number, height: number): Float64Array[];
/** @import { Model, CodewordSet } from "./model.js" */
/** Weights of red, green and blue in the planes of opponent colours. */
export const THIRD: number;
export const HALF: number;
export const SIXTH: number;
export type Term = {
    factor: number;
    values: Float64Array;
};
import type { Model } from "./model.js";
import type { CodewordSet } from "./model.js";
