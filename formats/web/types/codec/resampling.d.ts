/**
 * @param {number} place among the samples, from 0 at the edge of the first
 * @param {number} scale samples from pixel to pixel: the Lanczos-3 kernel is that much wider where it is above 1
 * @param {number} samples how many there are
 * @param {number} [total] the sum of the weights; 1 by default
 * @returns {Kernel}
 */
export function lanczos(place: number, scale: number, samples: number, total?: number): Kernel;
/**
 * @param {number} side pixels of the picture
 * @param {number} n tiles along it
 * @param {number} i a tile, from 0
 * @param {number} samples of the tile
 * @returns {{ first: number, pixels: Kernel[] }} the tile's first pixel, and for each of its pixels the weights of its
 *   samples times the pixel's blending weight
 */
export function blending(side: number, n: number, i: number, samples: number): {
    first: number;
    pixels: Kernel[];
};
/**
 * @param {Kernel} kernel
 * @param {ArrayLike<number>} values
 * @returns {number} the weighted sum of values
 */
export function weigh({ from, shares }: Kernel, values: ArrayLike<number>): number;
/**
 * @param {Kernel} kernel
 * @param {Float64Array} plane rows of `width` numbers
 * @param {number} width
 * @returns {Float64Array} the weighted sum of rows
 */
export function weighRows({ from, shares }: Kernel, plane: Float64Array, width: number): Float64Array;
/**
 * weights of samples `from`, `from` + 1, ...
 */
export type Kernel = {
    from: number;
    shares: Float64Array;
};
