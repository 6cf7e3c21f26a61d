/** The range decoder. */

const LOW = 2 ** 24; // numbers of 64 bits are kept as 40 bits above 24

/** Reads a payload, continued without end by one byte. */
export class RangeDecoder {
  /**
   * @param {Uint8Array} payload
   * @param {number} padding the byte
   */
  constructor(payload, padding) {
    this.payload = payload;
    this.padding = padding;
    this.position = 0;
    this.rangeHigh = 2 ** 40 - 1;
    this.rangeLow = LOW - 1;
    this.pointHigh = 0;
    this.pointLow = 0;
    this.shift();
    this.shift();
  }

  /** @returns {number} the next byte */
  byte() {
    const at = this.position++;
    return at < this.payload.length ? this.payload[at] : this.padding;
  }

  /** point = point * 2^32 + the next word */
  shift() {
    this.pointHigh = (this.pointHigh * LOW + this.pointLow) * 256 + this.byte();
    this.pointLow = this.byte() * 65536 + this.byte() * 256 + this.byte();
  }

  /**
   * @param {Uint32Array} edges of the values, from `edgesOf`
   * @returns {number} the next value, or -1 if no value has this code
   */
  decode(edges) {
    const step = this.rangeHigh; // the range divided by the coder's scale
    if (this.pointHigh >= step) return -1;
    // Divides the point by the step in two halves: numbers stay below 2^53.
    const upper = this.pointHigh * 4096 + Math.floor(this.pointLow / 4096);
    const lower = (upper % step) * 4096 + (this.pointLow % 4096);
    const quantile = Math.floor(upper / step) * 4096 + Math.floor(lower / step);
    let value = 0;
    let end = edges.length - 1;
    while (end - value > 1) {
      const middle = (value + end) >> 1;
      if (edges[middle] <= quantile) value = middle;
      else end = middle;
    }
    const stepHigh = Math.floor(step / LOW);
    const stepLow = step % LOW;
    const above = quantile - edges[value]; // point = above * step + what the division left
    const pointLow = above * stepLow + (lower % step);
    this.pointHigh = above * stepHigh + Math.floor(pointLow / LOW);
    this.pointLow = pointLow % LOW;
    const size = edges[value + 1] - edges[value]; // range = size * step
    const rangeLow = size * stepLow;
    this.rangeHigh = size * stepHigh + Math.floor(rangeLow / LOW);
    this.rangeLow = rangeLow % LOW;
    if (this.rangeHigh < 256) {
      this.rangeHigh = (this.rangeHigh * LOW + this.rangeLow) * 256;
      this.rangeLow = 0;
      this.shift();
    }
    return value;
  }
}
