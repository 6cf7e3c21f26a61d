/** The network of a look: adds detail to a tile's sum of codewords, as in tokcodec/tokenizers/look.py. */

import { list, numbers, sum } from "./arrays.js";
import { THIRD } from "./coefficients.js";
import { Convolution, add, enlarge, scale, shuffle, silu, swish } from "./convolution.js";

/** @import { Feature, Strip } from "./convolution.js" */
/** @import { Model } from "./model.js" */

const TENTS = 9; // inputs for the number of tokens
export const SIDE = 64; // samples along a side of the input
const THIN = 8; // samples across a strip of the input
const UNFOLDED = ["middle", "last"]; // after the first shuffle rows differ, even if those of the picture do not

/** @type {WeakMap<Model, Map<Strip | null, Network>>} */
const networks = new WeakMap();

/** @type {(model: Model, strip: Strip | null) => Network} for strips, or for whole tiles */
export function networkOf(model, strip) {
  const made = networks.get(model) ?? new Map();
  networks.set(model, made);
  if (!made.has(strip)) made.set(strip, new Network(model, strip));
  return made.get(strip);
}

/** @type {(length: number, make: (index: number) => number) => Float32Array} */
const filled = (length, make) => Float32Array.from({ length }, (_, i) => make(i));

class Network {
  /**
   * @param {Model} model
   * @param {Strip | null} strip
   */
  constructor({ arrays, bounds }, strip) {
    this.strip = strip;
    this.scales = bounds.length + 1;
    const names = Object.keys(arrays).filter((key) => key.endsWith(".weight"));
    /** @type {Map<string, Convolution>} */
    this.layers = new Map(
      names.map((key) => key.slice(0, -".weight".length)).map((name) => [name, new Convolution(name, arrays)]),
    );
    for (const [name, layer] of this.layers) if (strip && !UNFOLDED.includes(name)) layer.fold(strip);
  }

  /**
   * @param {string} name
   * @returns {Convolution}
   */
  layer(name) {
    return this.layers.get(name) ?? new Convolution(name, {}); // which is refused
  }

  /**
   * @param {number} level of the network: 0 to 4
   * @param {Feature} x
   * @param {Float32Array} condition
   * @returns {Feature}
   */
  blocks(level, x, condition) {
    for (let block = 0; this.layers.has(`blocks.${level}.${block}.first`); block++) {
      const name = `blocks.${level}.${block}`;
      const gain = this.layer(`${name}.gain`).linear(condition);
      const y = silu(this.layer(`${name}.first`).apply(silu(x)));
      scale(y, gain);
      x = add(x, this.layer(`${name}.second`).apply(y));
    }
    return x;
  }

  /**
   * @param {Float64Array[]} planes a tile's opponent colours at 64 x 64
   * @param {number} count of its tokens
   * @param {number} scale of its codewords
   * @returns {Float32Array} change of its 256 x 256 pixels, colours last
   */
  correction(planes, count, scale) {
    const tents = list(TENTS, (i) => Math.max(0, 1 - Math.abs(Math.log2(count) - i)));
    const inputs = [...tents, ...list(this.scales, (i) => Number(i === scale))];
    const condition = this.layer("condition.0").linear(inputs).map(swish);
    const stem = this.layer("stem").apply(this.input(planes));
    const fine = this.blocks(0, stem, condition);
    const middle = this.blocks(1, this.layer("down.0").apply(fine), condition);
    const coarse = this.blocks(2, this.layer("down.1").apply(middle), condition);
    let x = this.blocks(3, add(enlarge(this.layer("up.0").apply(coarse)), middle), condition);
    x = this.blocks(4, add(enlarge(this.layer("up.1").apply(x)), fine), condition);
    x = silu(shuffle(this.layer("widen").apply(silu(x))));
    x = silu(shuffle(this.layer("middle").apply(x)));
    return this.output(this.layer("last").apply(x));
  }

  /**
   * @param {Float64Array[]} planes a tile's opponent colours at 64 x 64
   * @returns {Feature} for a strip: means across it, repeated
   */
  input(planes) {
    const scaled = (/** @type {number} */ value, /** @type {number} */ colour) => value * 2 * THIRD - (colour ? 0 : 1);
    if (!this.strip) {
      const data = filled(3 * SIDE * SIDE, (i) => scaled(planes[i % 3][Math.floor(i / 3)], i % 3));
      return { height: SIDE, width: SIDE, channels: 3, data };
    }
    const lies = this.strip === "row";
    const [width, height] = lies ? [SIDE, THIN] : [THIN, SIDE];
    const [along, across] = lies ? [1, SIDE] : [SIDE, 1];
    const lines = planes.map((plane, colour) =>
      numbers(SIDE, (at) => scaled(sum(numbers(SIDE, (i) => plane[at * along + i * across])) / SIDE, colour)),
    );
    const place = (/** @type {number} */ pixel) => (lies ? pixel % width : Math.floor(pixel / width));
    const data = filled(3 * width * height, (i) => lines[i % 3][place(Math.floor(i / 3))]);
    return { height, width, channels: 3, data };
  }

  /**
   * @param {Feature} drawn output of the last layer
   * @returns {Float32Array} for a strip: the mean of four lines in the middle, repeated across a tile
   */
  output({ width, data }) {
    if (!this.strip) return data;
    const lies = this.strip === "row";
    const [along, across] = lies ? [3, 3 * width] : [3 * width, 3];
    const first = (2 * THIN - 2) * across;
    const side = 4 * SIDE;
    const line = numbers(3 * side, (i) => {
      const from = first + Math.floor(i / 3) * along + (i % 3);
      return (data[from] + data[from + across] + data[from + 2 * across] + data[from + 3 * across]) / 4;
    });
    const place = (/** @type {number} */ pixel) => (lies ? pixel % side : Math.floor(pixel / side));
    return filled(3 * side * side, (i) => line[3 * place(Math.floor(i / 3)) + (i % 3)]);
  }
}
