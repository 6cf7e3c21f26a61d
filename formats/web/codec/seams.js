/** Adapts neighbouring tiles to each other. */

import { basis } from "./coefficients.js";
import { OVERLAP, TILE } from "./header.js";

const FREQUENCIES = 16; // of the difference along a border that is evened out
const REACH = 40; // samples beyond the overlap that are changed

/**
 * Spreads half of the difference at the border of two tiles into each, by membrane interpolation.
 * @param {Float64Array[]} before planes of the left or upper tile, changed in place
 * @param {Float64Array[]} after planes of the right or lower tile, changed in place
 * @param {number} width samples of a tile
 * @param {number} height samples of a tile
 * @param {boolean} across whether they are side by side
 */
export function blendSeam(before, after, width, height, across) {
  const along = across ? height : width;
  const deep = across ? width : height;
  const stepAlong = across ? width : 1; // from sample to sample along the border
  const stepDeep = across ? 1 : width; // away from it
  const shared = deep / OVERLAP;
  const waves = basis(FREQUENCIES, along);
  const parts = new Float64Array(FREQUENCIES);
  before.forEach((plane, colour) => {
    const other = after[colour];
    const spectrum = new Float64Array(FREQUENCIES); // of half the difference
    for (let i = 0; i < along; i++) {
      let difference = 0;
      for (let d = 0; d < shared; d++) {
        difference += plane[i * stepAlong + (deep - shared + d) * stepDeep] - other[i * stepAlong + d * stepDeep];
      }
      for (let f = 0; f < FREQUENCIES; f++) spectrum[f] += (difference / shared / 2) * waves[f][i] * (TILE / along);
    }
    for (let d = 0; d < deep; d++) {
      const distance = Math.max(0, ((d + 0.5) * TILE) / deep - 0.5 - (TILE / OVERLAP - 1));
      if (distance >= REACH) break;
      const fade = 1 - distance / REACH;
      for (let f = 0; f < FREQUENCIES; f++) {
        parts[f] = spectrum[f] * Math.exp((-Math.PI * f * distance) / TILE) * fade;
      }
      for (let i = 0; i < along; i++) {
        let change = 0;
        for (let f = 0; f < FREQUENCIES; f++) change += parts[f] * waves[f][i];
        plane[i * stepAlong + (deep - 1 - d) * stepDeep] -= change;
        other[i * stepAlong + d * stepDeep] += change;
      }
    }
  });
}
