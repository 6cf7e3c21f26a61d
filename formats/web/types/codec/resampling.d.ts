/**
 * @param {number} place in samples, 0 at the edge of the first
 * @param {number} scale samples per pixel, by which the Lanczos-3 kernel is wider if above 1
 * @param {number} samples their number
 * @param {number} [total] sum of the weights; 1 by default
 * @returns {Kernel}
 */
export function lanczos(place: number, scale: number, samples: number, total?: number): Kernel;
/**
 * @param {number} side pixels of the picture
 * @param {number} n tiles along it
 * @param {number} i a tile, from 0
 * @param {number} samples of the tile
 * @returns {{ first: number, pixels: Kernel[] }} the tile's first pixel, and for each pixel the weights of samples
 *   times its blending weight
 */
export function blending(side: number, n: number, i: number, samples: number): {
    first: number;
    pixels: Kernel[];
};
export function weigh(kernel: Kernel, values: ArrayLike<number>): number;
export function weighRows(kernel: Kernel, plane: Float64Array, width: number): Float64Array;
export function sinc(x: number): number;
/**
 * weights of samples `from`, `from` + 1, ...
 */
export type Kernel = {
    from: number;
    shares: Float64Array;
};
