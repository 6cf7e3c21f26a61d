/** The network of a look: adds detail to the sum of a tile's codewords, as tokcodec/tokenizers/look.py does. */

import { list, numbers } from "./arrays.js";
import { THIRD } from "./coefficients.js";
import { Convolution, add, enlarge, shuffle, silu, swish } from "./convolution.js";

/** @typedef {import("./convolution.js").Feature} Feature */
/** @typedef {import("./model.js").Model} Model */

const TENTS = 9; // inputs that say how many tokens there are
export const SIDE = 64; // samples along a side of what it gets

/** @type {WeakMap<Model, Network>} */
const networks = new WeakMap();

/**
 * @param {Model} model whose file has a network
 * @returns {Network}
 */
export function networkOf(model) {
  let network = networks.get(model);
  if (!network) networks.set(model, (network = new Network(model)));
  return network;
}

class Network {
  /** @param {Model} model */
  constructor({ arrays, bounds }) {
    this.scales = bounds.length + 1;
    const names = Object.keys(arrays).filter((key) => key.endsWith(".weight"));
    /** @type {Map<string, Convolution>} */
    this.layers = new Map(
      names.map((key) => key.slice(0, -".weight".length)).map((name) => [name, new Convolution(name, arrays)]),
    );
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
   * @param {Float64Array} condition
   * @returns {Feature}
   */
  blocks(level, x, condition) {
    for (let block = 0; this.layers.has(`blocks.${level}.${block}.first`); block++) {
      const name = `blocks.${level}.${block}`;
      const gain = this.layer(`${name}.gain`).linear(condition);
      const y = silu(this.layer(`${name}.first`).apply(silu(x)));
      for (let i = 0; i < y.data.length; i++) y.data[i] *= gain[i % y.channels];
      x = add(x, this.layer(`${name}.second`).apply(y));
    }
    return x;
  }

  /**
   * @param {Float64Array[]} planes a tile's opponent colours at 64 x 64
   * @param {number} count of its tokens
   * @param {number} scale of its codewords
   * @returns {Float64Array} what to add to its 256 x 256 pixels, colours last
   */
  correction(planes, count, scale) {
    const tents = list(TENTS, (i) => Math.max(0, 1 - Math.abs(Math.log2(count) - i)));
    const inputs = [...tents, ...list(this.scales, (i) => Number(i === scale))];
    const condition = this.layer("condition.0").linear(inputs).map(swish);
    const data = numbers(3 * SIDE * SIDE, (i) => planes[i % 3][Math.floor(i / 3)] * 2 * THIRD - (i % 3 ? 0 : 1));
    const stem = this.layer("stem").apply({ height: SIDE, width: SIDE, channels: 3, data });
    const fine = this.blocks(0, stem, condition);
    const middle = this.blocks(1, this.layer("down.0").apply(fine), condition);
    const coarse = this.blocks(2, this.layer("down.1").apply(middle), condition);
    let x = this.blocks(3, add(enlarge(this.layer("up.0").apply(coarse)), middle), condition);
    x = this.blocks(4, add(enlarge(this.layer("up.1").apply(x)), fine), condition);
    x = silu(shuffle(this.layer("widen").apply(silu(x))));
    x = silu(shuffle(this.layer("middle").apply(x)));
    return this.layer("last").apply(x).data;
  }
}
