/** Transforms parts of pictures to coefficients. */

import { list } from "./arrays.js";
import { HALF, SIXTH, THIRD, basis } from "./coefficients.js";
import { TILE } from "./header.js";
import { rangeOf, weighted, weightsOf } from "./shrinking.js";

/** @import { Model } from "./model.js" */
/** @import { Picture } from "./draw.js" */

const OPPONENT = [
  [THIRD, THIRD, THIRD],
  [HALF, 0, -HALF],
  [-SIXTH, 2 * SIXTH, -SIXTH],
];

const LEVELS = list(256, (level) => Math.fround(level / 255)); // single precision, as in Python

/** Mean and variance of numbers that come in parts. */
class Spread {
  number = 0;
  sum = 0;
  squares = 0;

  /** @param {Float64Array} values */
  add(values) {
    this.number += values.length;
    for (let i = 0; i < values.length; i++) {
      this.sum += values[i];
      this.squares += values[i] * values[i];
    }
  }

  get variance() {
    return this.squares / this.number - (this.sum / this.number) ** 2;
  }
}

/**
 * @param {Float64Array} x of an even length
 * @param {Float64Array} y
 * @returns {number} the inner product
 */
export function dot(x, y) {
  let even = 0;
  let odd = 0;
  for (let i = 0; i < x.length; i += 2) {
    even += x[i] * y[i];
    odd += x[i + 1] * y[i + 1];
  }
  return even + odd;
}

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
export function transform(model, { width, height, data }, background, left, right, top, bottom) {
  const across = weightsOf(left, right, width, TILE);
  const down = weightsOf(top, bottom, height, TILE);
  const [firstColumn, lastColumn] = rangeOf(across);
  const [firstRow, lastRow] = rangeOf(down);
  const line = new Float64Array(width);
  let lost = 0; // of the source's variance, by resampling
  const [red, green, blue] = list(3, (colour) => {
    const narrow = new Uint8Array((lastRow - firstRow) * TILE);
    const source = new Spread();
    for (let y = firstRow; y < lastRow; y++) {
      for (let x = firstColumn, at = (y * width + x) * 4; x < lastColumn; x++, at += 4) {
        const alpha = data[at + 3];
        line[x] = Math.round((data[at + colour] * alpha + background[colour] * (255 - alpha)) / 255);
      }
      if (y >= Math.floor(top) && y < bottom) source.add(line.subarray(Math.floor(left), Math.ceil(right)));
      for (let x = 0; x < TILE; x++) narrow[(y - firstRow) * TILE + x] = weighted(across[x], line, 0, 1);
    }
    const kept = new Spread();
    const rows = down.map((weights) => {
      const row = new Float64Array(TILE);
      for (let x = 0; x < TILE; x++) row[x] = LEVELS[weighted(weights, narrow, x - firstRow * TILE, TILE)];
      kept.add(row);
      return row;
    });
    lost += Math.max(0, source.variance / 255 ** 2 - kept.variance) * TILE * TILE;
    return rows;
  });
  const vector = new Float64Array(model.size);
  let energy = 0;
  let at = 0;
  OPPONENT.forEach(([r, g, b], plane) => {
    const side = plane ? model.chroma : model.luma;
    const waves = basis(side, TILE);
    const columns = list(side, () => new Float64Array(TILE));
    for (let y = 0; y < TILE; y++) {
      const values = red[y].map((value, x) => r * value + g * green[y][x] + b * blue[y][x]);
      energy += dot(values, values);
      for (let k = 0; k < side; k++) columns[k][y] = dot(values, waves[k]);
    }
    for (const wave of waves) for (const column of columns) vector[at++] = dot(wave, column);
  });
  return { vector, outside: Math.max(0, energy - dot(vector, vector)) + lost };
}
