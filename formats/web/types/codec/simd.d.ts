/** @returns {Simd | null} null if WebAssembly or SIMD is missing, or the page's policy refuses it */
export function simd(): Simd | null;
declare class Simd {
    memory: WebAssembly.Memory;
    calls: Record<string, (...numbers: number[]) => void>;
    room(length: number): Float32Array;
    fits(layer: Convolution, x: Feature): boolean;
    /**
     * @param {Convolution} layer
     * @param {Feature} x that fits
     * @returns {Float32Array} its outputs
     */
    convolve({ bias, matrix, outputs, inputs, kernel }: Convolution, { height, width, data }: Feature): Float32Array;
    silu(data: Float32Array): Float32Array;
}
import type { Convolution } from "./convolution.js";
import type { Feature } from "./convolution.js";
export {};
