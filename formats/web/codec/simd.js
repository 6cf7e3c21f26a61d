/** The layers that take the most time, in WebAssembly with SIMD, where it is there. */

import { CODE, PIXELS } from "./simd-code.js";
import { fromBase64 } from "./text.js";

/** @import { Convolution, Feature } from "./convolution.js" */

/** @type {Simd | null | undefined} */
let shared; // undefined: not tried yet

/** @returns {Simd | null} null if WebAssembly or SIMD is missing, or the page's policy refuses it */
export function simd() {
  if (shared === undefined) {
    try {
      shared = new Simd();
    } catch {
      shared = null;
    }
  }
  return shared;
}

class Simd {
  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 16 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fromBase64(CODE)), {
      "": { memory: this.memory },
    });
    this.calls = /** @type {Record<string, (...numbers: number[]) => void>} */ (exports);
  }

  /** @type {(length: number) => Float32Array} the memory, with room for that many numbers */
  room(length) {
    const missing = 4 * length - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    return new Float32Array(this.memory.buffer);
  }

  /** @type {(layer: Convolution, x: Feature) => boolean} whether the code fits the layer and the picture's width */
  fits({ outputs, kernel }, { width }) {
    return (outputs < 4 || outputs % 4 === 0) && (kernel === 2 ? width / 2 : width) % PIXELS === 0;
  }

  /**
   * @param {Convolution} layer
   * @param {Feature} x that fits
   * @returns {Float32Array} its outputs
   */
  convolve({ bias, matrix, outputs, inputs, kernel }, { height, width, data }) {
    const border = kernel === 3 ? 1 : 0;
    const stride = kernel === 2 ? 2 : 1;
    const pitch = (width + 2 * border) * inputs;
    const [rows, columns] = [height / stride, width / stride];
    const aligned = (/** @type {number} */ at) => (at + 3) & ~3;
    const weights = aligned((height + 2 * border) * pitch);
    const biases = weights + matrix.length;
    const out = biases + bias.length;
    const length = rows * columns * outputs;
    const memory = this.room(out + length + 4);
    const line = width * inputs;
    if (border) memory.fill(0, 0, weights);
    for (let y = 0; y < height; y++) {
      memory.set(data.subarray(y * line, (y + 1) * line), (y + border) * pitch + border * inputs);
    }
    memory.set(matrix, weights);
    memory.set(bias, biases);
    const places = [0, weights, biases, out].map((at) => 4 * at);
    const steps = [stride * inputs, pitch, stride * pitch].map((step) => 4 * step);
    this.calls.convolve(...places, rows, columns, bias.length / 4, ...steps, kernel, 4 * kernel * inputs, 4 * outputs);
    return memory.slice(out, out + length);
  }

  /** @type {(data: Float32Array) => Float32Array} */
  silu(data) {
    const memory = this.room(data.length + 4);
    memory.set(data);
    this.calls.silu(0, 4 * data.length);
    return memory.slice(0, data.length);
  }
}
