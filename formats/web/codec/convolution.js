/** Layers of a network. Features have their channels last. */

import { list } from "./arrays.js";
import { check } from "./checks.js";
import { simd } from "./simd.js";

/** @import { ModelArrays } from "./model.js" */
/** @typedef {"row" | "column"} Strip a thin picture, whose tiles are drawn as one line each */

/** @typedef {{ height: number, width: number, channels: number, data: Float32Array }} Feature */

/** A convolution with its weights in the order of their use. */
export class Convolution {
  /**
   * @param {string} name of the layer
   * @param {ModelArrays} arrays of the model
   */
  constructor(name, arrays) {
    const weight = arrays[`${name}.weight`];
    check(weight, `the model file is damaged: ${name} is not there`);
    const step = arrays[`${name}.step`];
    const bias = arrays[`${name}.bias`];
    const [outputs, inputs, kernel = 1] = weight.shape;
    const places = kernel * kernel;
    const blocks = Math.ceil(outputs / 4);
    this.name = name;
    this.outputs = outputs;
    this.inputs = inputs;
    this.kernel = kernel;
    this.bias = Float32Array.from({ length: 4 * blocks }, (_, i) => bias[i] ?? 0);
    /** Blocks of four outputs: [block][place in the window][input][output]. */
    this.matrix = new Float32Array(blocks * places * inputs * 4);
    for (let i = 0; i < weight.length; i++) {
      const output = Math.floor(i / places / inputs);
      const input = Math.floor(i / places) % inputs;
      const row = ((output >> 2) * places + (i % places)) * inputs + input;
      this.matrix[row * 4 + (output & 3)] = weight[i] * step[output];
    }
  }

  /**
   * Folds a 3 x 3 convolution for pictures that are constant along an axis, so that their borders have no influence.
   * @param {Strip} strip
   */
  fold(strip) {
    const size = 4 * this.inputs; // numbers of a place in the window
    const [across, along] = strip === "row" ? [3, 1] : [1, 3]; // from place to place
    for (let from = 0; this.kernel === 3 && from < this.matrix.length; from += 9 * size) {
      for (let i = 0; i < 3 * size; i++) {
        const first = from + along * size * Math.floor(i / size) + (i % size);
        const [upper, centre, lower] = list(3, (place) => first + place * across * size);
        this.matrix[centre] += this.matrix[upper] + this.matrix[lower];
        this.matrix[upper] = this.matrix[lower] = 0;
      }
    }
  }

  /**
   * @param {ArrayLike<number>} x
   * @returns {Float32Array} the outputs for a single pixel
   */
  linear(x) {
    const data = Float32Array.from([...Array.from(x), ...Array.from(x)]);
    return this.apply({ height: 1, width: 2, channels: x.length, data }).data.slice(0, this.outputs);
  }

  /**
   * @param {Feature} x of an even width
   * @returns {Feature} 3 x 3 and 1 x 1 at equal size, 2 x 2 at half the size
   */
  apply(x) {
    check(this.inputs === x.channels, `the model file is damaged: ${this.name} does not fit`);
    const stride = this.kernel === 2 ? 2 : 1;
    const size = { height: x.height / stride, width: x.width / stride, channels: this.outputs };
    const fast = simd();
    return { ...size, data: fast?.fits(this, x) ? fast.convolve(this, x) : this.convolve(x, stride) };
  }

  /**
   * @param {Feature} x
   * @param {number} stride pixels from window to window
   * @returns {Float32Array} the outputs
   */
  convolve(x, stride) {
    const { bias, matrix, outputs, inputs, kernel } = this;
    const source = kernel === 3 ? padded(x) : x.data;
    const pitch = (x.width + (kernel === 3 ? 2 : 0)) * inputs;
    const run = kernel * inputs; // numbers of a row of the window
    const hop = stride * inputs; // from pixel to pixel
    const height = x.height / stride;
    const width = x.width / stride;
    const data = new Float32Array(height * width * outputs);
    for (let output = 0, weights = 0; output < outputs; output += 4, weights += 4 * kernel * run) {
      const used = Math.min(4, outputs - output);
      for (let pixel = 0; pixel < height * width; pixel += 2) {
        // Two pixels and four outputs at once, to use each number several times.
        let from = Math.floor(pixel / width) * stride * pitch + (pixel % width) * hop;
        let w = weights;
        let p0 = bias[output];
        let p1 = bias[output + 1];
        let p2 = bias[output + 2];
        let p3 = bias[output + 3];
        let q0 = p0;
        let q1 = p1;
        let q2 = p2;
        let q3 = p3;
        for (let row = 0; row < kernel; row++, from += pitch) {
          for (let at = from; at < from + run; at++, w += 4) {
            const p = source[at];
            const q = source[at + hop];
            p0 += p * matrix[w];
            p1 += p * matrix[w + 1];
            p2 += p * matrix[w + 2];
            p3 += p * matrix[w + 3];
            q0 += q * matrix[w];
            q1 += q * matrix[w + 1];
            q2 += q * matrix[w + 2];
            q3 += q * matrix[w + 3];
          }
        }
        const first = pixel * outputs + output;
        const second = first + outputs;
        data[first] = p0;
        data[second] = q0;
        if (used > 1) {
          data[first + 1] = p1;
          data[second + 1] = q1;
        }
        if (used > 2) {
          data[first + 2] = p2;
          data[second + 2] = q2;
        }
        if (used > 3) {
          data[first + 3] = p3;
          data[second + 3] = q3;
        }
      }
    }
    return data;
  }
}

/** @type {(x: Feature) => Float32Array} its numbers with a border of one zero pixel */
function padded({ height, width, channels, data }) {
  const pitch = (width + 2) * channels;
  const line = width * channels;
  const out = new Float32Array((height + 2) * pitch);
  for (let y = 0; y < height; y++) out.set(data.subarray(y * line, (y + 1) * line), (y + 1) * pitch + channels);
  return out;
}

/** @param {number} x */
export const swish = (x) => x / (1 + Math.exp(-x));

/** @type {(x: Feature) => Feature} */
export const silu = (x) => ({ ...x, data: simd()?.silu(x.data) ?? x.data.map(swish) });

/** @type {(x: Feature, y: Feature) => Feature} */
export function add(x, y) {
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = x.data[i] + y.data[i];
  return { ...x, data };
}

/** @type {(x: Feature, gain: ArrayLike<number>) => void} each channel by its own factor, in place */
export function scale({ channels, data }, gain) {
  for (let from = 0; from < data.length; from += channels) {
    for (let c = 0; c < channels; c++) data[from + c] *= gain[c];
  }
}

/** @type {(x: Feature) => Feature} twice the size, each pixel four times */
export function enlarge({ height, width, channels, data }) {
  const out = new Float32Array(4 * data.length);
  for (let y = 0, to = 0; y < 2 * height; y++) {
    for (let x = 0; x < 2 * width; x++) {
      const from = ((y >> 1) * width + (x >> 1)) * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[from + c];
    }
  }
  return { height: 2 * height, width: 2 * width, channels, data: out };
}

/** @type {(x: Feature) => Feature} twice the size: four channels become a square of pixels */
export function shuffle({ height, width, channels, data }) {
  const out = new Float32Array(data.length);
  for (let y = 0, to = 0; y < 2 * height; y++) {
    for (let x = 0; x < 2 * width; x++) {
      const from = ((y >> 1) * width + (x >> 1)) * channels + 2 * (y & 1) + (x & 1);
      for (let c = 0; c < channels; c += 4) out[to++] = data[from + c];
    }
  }
  return { height: 2 * height, width: 2 * width, channels: channels / 4, data: out };
}
