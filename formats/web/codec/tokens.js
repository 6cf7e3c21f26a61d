/** Tokens of a file. */

import { list } from "./arrays.js";
import { MAX_PIXELS, asBytes, check, checkSize } from "./checks.js";
import { LEVEL_EDGES, tileCount } from "./counts.js";
import { gridOf, headerCheck, readHeader } from "./header.js";
import { checkModel } from "./model.js";
import { RangeDecoder } from "./range-decoder.js";

/** @import { Bytes } from "./checks.js" */
/** @import { Header, Grid } from "./header.js" */
/** @import { Model } from "./model.js" */

/**
 * @typedef {object} ReadOptions
 * @property {boolean} [bare] the file is bare: two bytes instead of the header; false by default
 * @property {number} [maxPixels] refuse pictures with more pixels; 89478485 by default
 */

/**
 * @typedef {object} Contents
 * @property {Header} header
 * @property {Grid} grid
 * @property {number[]} levels of the tiles of an adaptive file, as far as the bytes reach
 * @property {Int16Array[]} tokens of every tile that the bytes hold
 */

/**
 * @param {number[]} counts tokens of the tiles
 * @returns {Generator<number, void>} the tile of every token in the order of the payload
 */
function* tokenOrder(counts) {
  /** @type {Map<number, Set<number>>} */
  const byKey = new Map(); // counts whose tiles have a token with this key
  for (const count of new Set(counts)) {
    for (let rank = 0; rank < count; rank++) {
      const key = Math.floor((rank * 2 ** 24) / count);
      byKey.set(key, (byKey.get(key) ?? new Set()).add(count));
    }
  }
  for (const [, present] of [...byKey].sort((a, b) => a[0] - b[0])) {
    for (let tile = 0; tile < counts.length; tile++) if (present.has(counts[tile])) yield tile;
  }
}

/** @type {(payload: Uint8Array) => (edges: Uint32Array) => number} reads values that every continuation has, then -1 */
function digitReader(payload) {
  const zeros = new RangeDecoder(payload, 0x00);
  const ones = new RangeDecoder(payload, 0xff);
  return (edges) => {
    const value = zeros.decode(edges);
    return value >= 0 && ones.decode(edges) === value ? value : -1;
  };
}

/**
 * @param {Bytes} data a file, or any beginning of one that holds the header
 * @param {Model} model
 * @param {boolean} bare
 * @param {number} maxPixels
 * @param {boolean} [cut] read a file of more tokens than the model file has as far as it goes; refused by default
 * @returns {Contents}
 */
export function readContents(data, model, bare, maxPixels, cut = false) {
  const bytes = asBytes(data);
  checkModel(model);
  const header = readHeader(bytes, { bare });
  const intact = bare || headerCheck(bytes, model.hash) === bytes[8] * 256 + bytes[9];
  check(intact, `header damaged, or made with another model than ${model.name}`);
  checkSize(header.width, header.height, maxPixels);
  const declares = `declares ${header.tokens} tokens a tile`;
  check(header.tokens <= model.allTokens, `${declares}; model ${model.name} has ${model.allTokens}`);
  const missing = `${declares}; this model file has ${model.tokens} (tokcodec models export-web)`;
  check(cut || header.tokens <= model.tokens, missing);
  const grid = gridOf(header, model.bounds, bare);
  model.set(grid.scale);
  const next = digitReader(bytes.subarray(bare ? 2 : 10));
  /** @type {number[]} */
  const levels = [];
  while (header.adaptive && levels.length < grid.tiles) {
    const level = next(LEVEL_EDGES);
    if (level < 0) break;
    levels.push(level);
  }
  const complete = !header.adaptive || levels.length === grid.tiles;
  const counts = header.adaptive
    ? levels.map((level) => tileCount(header.tokens, level))
    : new Array(grid.tiles).fill(header.tokens);
  /** @type {number[][]} */
  const rows = [];
  for (const tile of complete ? tokenOrder(counts) : []) {
    const row = (rows[tile] ??= []);
    if (row.length === model.tokens) break;
    const first = next(model.edges(grid.scale, 2 * row.length, header.flat));
    const second = first < 0 ? -1 : next(model.edges(grid.scale, 2 * row.length + 1, header.flat));
    if (second < 0) break;
    row.push(first * model.radix + second);
  }
  const none = new Int16Array(0); // one for all: a header may declare a million tiles
  return { header, grid, levels, tokens: list(grid.tiles, (i) => (rows[i] ? Int16Array.from(rows[i]) : none)) };
}

/**
 * @param {Bytes} bytes a file, or any beginning of one that holds the header
 * @param {Model} model
 * @param {ReadOptions} [options]
 * @returns {Int16Array[]} tokens of every tile that the bytes hold
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 */
export function readTokens(bytes, model, { bare = false, maxPixels = MAX_PIXELS } = {}) {
  return readContents(bytes, model, bare, maxPixels).tokens;
}
