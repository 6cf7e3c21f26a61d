/**
 * @param {Feature} x
 * @returns {Feature} twice the size, each pixel four times
 */
export function enlarge({ height, width, channels, data }: Feature): Feature;
/**
 * @param {Feature} x
 * @returns {Feature} twice the size, a quarter of the channels: every four become a square of pixels
 */
export function shuffle({ height, width, channels, data }: Feature): Feature;
/** @import { ModelArrays } from "./model.js" */
/** @typedef {"row" | "column"} Strip a thin picture that lies or stands: its tiles are drawn as one line each */
/**
 * @typedef {object} Feature a picture of numbers, [height][width][channels]
 * @property {number} height
 * @property {number} width
 * @property {number} channels
 * @property {Float64Array} data
 */
/** A convolution with its weights in the order in which they are used. */
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
    bias: Float64Array<ArrayBuffer>;
    /** Blocks of four outputs: [block][place in the window][input][output]. */
    matrix: Float64Array<ArrayBuffer>;
    /**
     * Prepares a 3 x 3 convolution for pictures that are constant along an axis, whose borders have no influence then.
     * @param {Strip} strip
     */
    fold(strip: Strip): void;
    /**
     * @param {ArrayLike<number>} x
     * @returns {Float64Array} the outputs for a single pixel
     */
    linear(x: ArrayLike<number>): Float64Array;
    /**
     * @param {Feature} x of an even width
     * @returns {Feature} 3 x 3 and 1 x 1 at equal size, 2 x 2 at half the size
     */
    apply(x: Feature): Feature;
}
export function swish(x: number): number;
export function silu(x: Feature): Feature;
export function add(x: Feature, y: Feature): Feature;
/**
 * a thin picture that lies or stands: its tiles are drawn as one line each
 */
export type Strip = "row" | "column";
/**
 * a picture of numbers, [height][width][channels]
 */
export type Feature = {
    height: number;
    width: number;
    channels: number;
    data: Float64Array;
};
import type { ModelArrays } from "./model.js";
