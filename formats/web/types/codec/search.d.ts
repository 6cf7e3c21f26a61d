/**
 * @param {Model} model
 * @param {CodewordSet} set
 * @param {Float64Array} vector a tile's coefficients
 * @param {number} count of tokens that are wanted; more may be found
 * @returns {Path}
 */
export function search(model: Model, set: CodewordSet, vector: Float64Array, count: number): Path;
/**
 * tokens of a tile
 */
export type Path = {
    /**
     * what they leave of the coefficients
     */
    rest: Float64Array;
    /**
     * the weighted square of it
     */
    left: number;
    tokens: number[];
    /**
     * squared error that 0, 1, ... of them leave
     */
    errors: number[];
};
/**
 * a codeword, and the error that it saves less its price
 */
export type Choice = {
    value: number;
    word: number;
};
/**
 * for each codeword of all digits, [row][value]
 */
export type Prices = {
    /**
     * its coefficients times their weights, as in `words`
     */
    weighted: Float64Array;
    /**
     * half of its weighted square
     */
    halves: Float64Array;
    /**
     * price of its bits, as a part of the error left
     */
    bits: Float64Array;
};
import type { Model } from "./model.js";
import type { CodewordSet } from "./model.js";
