export function networkOf(model: Model, strip: Strip | null): Network;
export const SIDE: 64;
import type { Model } from "./model.js";
import type { Strip } from "./convolution.js";
declare class Network {
    /**
     * @param {Model} model
     * @param {Strip | null} strip
     */
    constructor({ arrays, bounds }: Model, strip: Strip | null);
    strip: Strip | null;
    scales: number;
    /** @type {Map<string, Convolution>} */
    layers: Map<string, Convolution>;
    /**
     * @param {string} name
     * @returns {Convolution}
     */
    layer(name: string): Convolution;
    /**
     * @param {number} level of the network: 0 to 4
     * @param {Feature} x
     * @param {Float32Array} condition
     * @returns {Feature}
     */
    blocks(level: number, x: Feature, condition: Float32Array): Feature;
    /**
     * @param {Float64Array[]} planes a tile's opponent colours at 64 x 64
     * @param {number} count of its tokens
     * @param {number} scale of its codewords
     * @returns {Float32Array} change of its 256 x 256 pixels, colours last
     */
    correction(planes: Float64Array[], count: number, scale: number): Float32Array;
    /**
     * @param {Float64Array[]} planes a tile's opponent colours at 64 x 64
     * @returns {Feature} for a strip: means across it, repeated
     */
    input(planes: Float64Array[]): Feature;
    /**
     * @param {Feature} drawn output of the last layer
     * @returns {Float32Array} for a strip: the mean of four lines in the middle, repeated across a tile
     */
    output({ width, data }: Feature): Float32Array;
}
import { Convolution } from "./convolution.js";
import type { Feature } from "./convolution.js";
export {};
