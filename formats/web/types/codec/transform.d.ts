/**
 * @param {Float64Array} x of an even length
 * @param {Float64Array} y
 * @returns {number} the inner product
 */
export function dot(x: Float64Array, y: Float64Array): number;
/**
 * @param {Model} model
 * @param {Picture} picture
 * @param {number[]} background red, green and blue behind transparent pixels, 0..255
 * @param {number} left pixels, like the others
 * @param {number} right
 * @param {number} top
 * @param {number} bottom
 * @returns {{ vector: Float64Array, outside: number }} coefficients of that part, and the squared error that tokens
 *   cannot reduce
 */
export function transform(model: Model, { width, height, data }: Picture, background: number[], left: number, right: number, top: number, bottom: number): {
    vector: Float64Array;
    outside: number;
};
import type { Model } from "./model.js";
import type { Picture } from "./draw.js";
