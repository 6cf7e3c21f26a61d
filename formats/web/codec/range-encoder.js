/** The range encoder. */

const WORD = 2n ** 32n;

/** @typedef {{ edges: Uint32Array, value: number }} Digit a value and the edges of its kind, from `edgesOf` */

/**
 * @param {Digit[]} digits
 * @returns {Uint8Array} the shortest payload whose continuations all hold the digits
 */
export function encodeDigits(digits) {
  /** @type {number[]} */
  const words = []; // of 32 bits, before the 64 bits of `low`
  const carry = () => {
    for (let i = words.length - 1; (words[i] = (words[i] + 1) % 2 ** 32) === 0; i--);
  };
  let low = 0n;
  let range = WORD * WORD - 1n;
  for (const { edges, value } of digits) {
    const step = range >> 24n;
    low += step * BigInt(edges[value]);
    range = step * BigInt(edges[value + 1] - edges[value]);
    if (low >= WORD * WORD) carry();
    low %= WORD * WORD;
    if (range >= WORD) continue;
    words.push(Number(low / WORD));
    low = (low % WORD) * WORD;
    range *= WORD;
  }
  let shift = BigInt((range.toString(2).length - 1) & ~7);
  const head = () => -(-low >> shift); // rounded up
  while ((head() + 1n) << shift > low + range) shift -= 8n;
  if (head() << shift >= WORD * WORD) carry();
  const size = Number(64n - shift) / 8;
  const payload = new Uint8Array(4 * words.length + size);
  const view = new DataView(payload.buffer);
  words.forEach((word, i) => view.setUint32(4 * i, word));
  for (let i = 0; i < size; i++) payload[4 * words.length + i] = Number((head() >> BigInt(8 * (size - 1 - i))) & 255n);
  return payload;
}
