/**
 * Spreads half of the difference at the border of two tiles into each, by membrane interpolation.
 * @param {Float64Array[]} before planes of the left or upper tile, changed in place
 * @param {Float64Array[]} after planes of the right or lower tile, changed in place
 * @param {number} width samples of a tile
 * @param {number} height samples of a tile
 * @param {boolean} across whether they are side by side
 */
export function blendSeam(before: Float64Array[], after: Float64Array[], width: number, height: number, across: boolean): void;
