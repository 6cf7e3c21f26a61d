export function add(x: Feature, y: Feature): Feature;
export function scale(x: Feature, gain: ArrayLike<number>): void;
export function enlarge(x: Feature): Feature;
export function shuffle(x: Feature): Feature;
/** @import { ModelArrays } from "./model.js" */
/** @typedef {"row" | "column"} Strip a thin picture, whose tiles are drawn as one line each */
/** @typedef {{ height: number, width: number, channels: number, data: Float32Array }} Feature */
/** A convolution with its weights in the order of their use. */
export class Convolution {
    /**
     * @param {string} name of the layer
     * @param {ModelArrays} arrays of the model
     */
    constructor(name: string, arrays: ModelArrays);
    name: string;
    outputs: number;
    inputs: number;
    kernel: number;
    bias: Float32Array<ArrayBuffer>;
    /** Blocks of four outputs: [block][place in the window][input][output]. */
    matrix: Float32Array<ArrayBuffer>;
    /**
     * Folds a 3 x 3 convolution for pictures that are constant along an axis, so that their borders have no influence.
     * @param {Strip} strip
     */
    fold(strip: Strip): void;
    /**
     * @param {ArrayLike<number>} x
     * @returns {Float32Array} the outputs for a single pixel
     */
    linear(x: ArrayLike<number>): Float32Array;
    /**
     * @param {Feature} x of an even width
     * @returns {Feature} 3 x 3 and 1 x 1 at equal size, 2 x 2 at half the size
     */
    apply(x: Feature): Feature;
    /**
     * @param {Feature} x
     * @param {number} stride pixels from window to window
     * @returns {Float32Array} the outputs
     */
    convolve(x: Feature, stride: number): Float32Array;
}
export function swish(x: number): number;
/** @type {(x: Feature) => Feature} */
export const silu: (x: Feature) => Feature;
/**
 * a thin picture, whose tiles are drawn as one line each
 */
export type Strip = "row" | "column";
export type Feature = {
    height: number;
    width: number;
    channels: number;
    data: Float32Array;
};
import type { ModelArrays } from "./model.js";
