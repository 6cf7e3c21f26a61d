/** Encodes pictures as files. */

import { clamp, list, sum } from "./arrays.js";
import { MAX_SIDE, checkInteger } from "./checks.js";
import { FIT, PITCHES, TILE, gridOf, tileEnd, tileStart, writeHeader } from "./header.js";
import { checkModel } from "./model.js";
import { encodeDigits } from "./range-encoder.js";
import { search } from "./search.js";
import { transform } from "./transform.js";

/** @import { Picture } from "./draw.js" */
/** @import { Model } from "./model.js" */
/** @typedef {import("./search.js").Path & { outside: number }} Tile `outside`: squared error that tokens cannot reduce */

/**
 * @typedef {object} EncodeOptions
 * @property {number} [tokens] per tile; 64 by default, or with `targetSize` what the model has
 * @property {boolean} [bare] two bytes instead of the header, for readers who know the model; false by default
 * @property {number | "fit"} [pitch] pixels from tile to tile, or "fit" for one tile; 256 by default, bare "fit"
 * @property {string} [background] "#rrggbb" behind transparent pixels; "#ffffff" by default
 * @property {number} [targetSize] largest number of bytes of the file; `tokens` is then the largest number per tile
 */

/**
 * @param {Model} model
 * @param {Picture} picture
 * @param {number[]} background red, green and blue
 * @param {import("./header.js").Grid} grid
 * @param {number} tokens per tile
 * @returns {Tile[]}
 */
function findTiles(model, picture, background, { columns, rows, tiles, scale }, tokens) {
  const { width, height } = picture;
  return list(tiles, (i) => {
    const column = i % columns;
    const row = Math.floor(i / columns);
    const [left, right] = [tileStart(width, columns, column), tileEnd(width, columns, column)];
    const [top, bottom] = [tileStart(height, rows, row), tileEnd(height, rows, row)];
    const { vector, outside } = transform(model, picture, background, left, right, top, bottom);
    return { outside, ...search(model, model.set(scale), vector, tokens) };
  });
}

/**
 * @param {Model} model
 * @param {{ width: number, height: number }} picture
 * @param {number} pitch
 * @param {number} count tokens per tile
 * @param {number} scale of the codewords
 * @param {Tile[]} tiles
 * @param {boolean} bare
 * @returns {Uint8Array<ArrayBuffer>} the shorter of two files: by the model's counts, and by equal counts
 */
function pack(model, { width, height }, pitch, count, scale, tiles, bare) {
  const [counted, flat] = [false, true].map((flat) => {
    /** @type {import("./range-encoder.js").Digit[]} */
    const digits = [];
    for (let token = 0; token < count; token++) {
      const first = model.edges(scale, 2 * token, flat);
      const second = model.edges(scale, 2 * token + 1, flat);
      for (const { tokens } of tiles) {
        digits.push({ edges: first, value: Math.floor(tokens[token] / model.radix) });
        digits.push({ edges: second, value: tokens[token] % model.radix });
      }
    }
    const head = writeHeader({ width, height, pitch, tokens: count, flat }, model.hash, bare);
    const payload = encodeDigits(digits);
    const file = new Uint8Array(head.length + payload.length);
    file.set(head);
    file.set(payload, head.length);
    return file;
  });
  return flat.length < counted.length ? flat : counted;
}

/**
 * @param {number} most
 * @param {(n: number) => boolean} fits true up to some number, then false
 * @returns {number} the largest number of 0..most that fits
 */
function largest(most, fits) {
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * @param {Picture} picture
 * @param {number[]} background red, green and blue
 * @param {Model} model
 * @param {number[]} pitches to try, the largest first
 * @param {number} count largest number of tokens per tile
 * @param {number} size largest number of bytes
 * @param {boolean} bare
 * @returns {Uint8Array<ArrayBuffer>} the file with the least squared error
 */
function encodeToSize(picture, background, model, pitches, count, size, bare) {
  /** @type {Uint8Array<ArrayBuffer> | null} */
  let best = null;
  let bestError = Infinity;
  let bestTiles = 0;
  for (const pitch of pitches) {
    const grid = gridOf({ width: picture.width, height: picture.height, pitch }, model.bounds, bare);
    if (best && grid.scale >= model.scales) break; // the model file lacks these codewords
    if (best && grid.tiles === bestTiles) continue;
    const most = clamp(Math.floor((2 * size) / grid.tiles), 1, count); // a token costs more than half a byte
    const tiles = findTiles(model, picture, background, grid, most);
    const file = (/** @type {number} */ n) => pack(model, picture, pitch, n, grid.scale, tiles, bare);
    const used = largest(most, (n) => file(n).length <= size);
    const error = sum(tiles.map((tile) => tile.errors[used] + tile.outside)) / grid.tiles;
    if (used > 0 && error < bestError) {
      best = file(used);
      bestError = error;
      bestTiles = grid.tiles;
    } else if (used < count) break; // the bytes are used up: smaller pitches would be even worse
  }
  if (!best) throw new RangeError(`targetSize must be larger than ${size} bytes for this picture`);
  return best;
}

/**
 * Encodes a picture with Python's search and defaults.
 * @param {Picture} picture RGBA
 * @param {Model} model
 * @param {EncodeOptions} [options]
 * @returns {Uint8Array<ArrayBuffer>} a `.tok` file, or a bare one
 * @throws {RangeError | TypeError} if an argument is wrong
 */
export function encode(
  picture,
  model,
  { tokens, bare = false, pitch, background: colour = "#ffffff", targetSize } = {},
) {
  const { width, height, data } = picture;
  checkModel(model);
  checkInteger(width, MAX_SIDE, "width");
  checkInteger(height, MAX_SIDE, "height");
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (!isBytes || data.length !== 4 * width * height) throw new TypeError("data must be RGBA, 4 bytes for every pixel");
  if (!/^#[0-9a-f]{6}$/i.test(colour)) throw new RangeError(`background must be "#rrggbb", not ${colour}`);
  const background = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const size = targetSize === undefined ? null : checkInteger(targetSize, 2 ** 32, "targetSize");
  const count = checkInteger(tokens ?? (size ? model.tokens : Math.min(64, model.tokens)), model.tokens, "tokens");
  const wanted = pitch === "fit" || (bare && pitch === undefined) ? FIT : (pitch ?? TILE);
  if (!PITCHES.includes(wanted) || (bare && wanted !== FIT)) throw new RangeError(`pitch must not be ${pitch}`);
  if (size !== null) {
    const pitches = pitch === undefined && !bare ? [FIT, ...PITCHES.slice(1).reverse()] : [wanted];
    return encodeToSize(picture, background, model, pitches, count, size, bare);
  }
  const grid = gridOf({ width, height, pitch: wanted }, model.bounds, bare);
  return pack(model, picture, wanted, count, grid.scale, findTiles(model, picture, background, grid, count), bare);
}
