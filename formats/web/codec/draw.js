/** Draws tiles and joins them to a picture. */

import { clamp, list } from "./arrays.js";
import { MAX_PIXELS, MAX_SIDE, check, checkInteger, checkSize } from "./checks.js";
import { HALF, SIXTH, THIRD, coefficientsOf, opponentPlanes } from "./coefficients.js";
import { tileCount } from "./counts.js";
import { OVERLAP, TILE, tileEnd } from "./header.js";
import { blending, weigh, weighRows } from "./resampling.js";
import { blendSeam } from "./seams.js";
import { readContents } from "./tokens.js";

/** @import { Bytes } from "./checks.js" */
/** @import { Strip } from "./convolution.js" */
/** @import { Model } from "./model.js" */
/** @import { Contents } from "./tokens.js" */

/**
 * @typedef {object} Picture RGBA; an ImageData is one
 * @property {number} width pixels
 * @property {number} height pixels
 * @property {Uint8ClampedArray | Uint8Array} data 4 bytes for every pixel, row by row
 */

/** @typedef {Picture & { data: Uint8ClampedArray<ArrayBuffer> }} DecodedPicture */

/**
 * @typedef {object} DrawOptions
 * @property {number} [tokens] largest number of tokens drawn per tile, 1..256; all by default
 * @property {number} [width] pixels of the result; by default follows `height`, or the file's
 * @property {number} [height] pixels of the result; by default follows `width`, or the file's
 * @property {string} [look] one of `model.looks`; the first by default
 * @property {number} [maxTiles] refuse files of more tiles; 500 by default
 */

/** @typedef {import("./tokens.js").ReadOptions & DrawOptions} DecodeOptions */

/** @typedef {(planes: Float64Array[], count: number, scale: number) => ArrayLike<number>} Correct what a network adds */

/** @typedef {(model: Model, strip: Strip | null) => Correct} NetworkOf a model's network for strips, or whole tiles */

const BLANK = 128; // grey level of tiles without tokens
const MAX_TILES = 500; // 32 megapixels at the default pitch: half a minute with a network
const THIN = 2; // pixels across a picture whose tiles are drawn as strips
const BARE = "bare"; // the look that is the sum of the codewords

/**
 * @param {string} look
 * @param {number} width pixels of the picture that a tile covers
 * @param {number} height
 * @returns {{ look: string, width: number, height: number }} samples to draw of a tile
 */
function sampling(look, width, height) {
  // At most one sample per pixel, so that small pictures cost little.
  if (look === BARE) return { look, width: Math.min(TILE, width), height: Math.min(TILE, height) };
  return { look, width: TILE, height: TILE };
}

/** @type {(width: number, height: number) => Strip | null} the strip that the picture is, which is drawn faster */
function stripOf(width, height) {
  if (Math.min(width, height) > THIN) return null;
  return height <= width ? "row" : "column";
}

/** @type {(side: number, n: number) => number} pixels that one of n tiles covers, in steps that neighbours can share */
const extent = (side, n) => (n === 1 ? side : Math.ceil(tileEnd(side, n, 0) / OVERLAP) * OVERLAP);

/**
 * @param {Model} model
 * @param {number} scale
 * @param {ArrayLike<number>} tokens of the tile
 * @param {{ width: number, height: number }} samples
 * @param {Correct | null} correct
 * @returns {Float64Array[]} planes of red, green and blue, 0..255
 */
function drawTile(model, scale, tokens, { width, height }, correct) {
  const vector = coefficientsOf(model, model.set(scale), tokens);
  const planes = opponentPlanes(model, vector, width, height);
  const added = correct && correct(opponentPlanes(model, vector, 64, 64), tokens.length, scale);
  const [red, green, blue] = planes;
  for (let i = 0; i < red.length; i++) {
    const brightness = red[i] * THIRD;
    const warmth = green[i] * HALF;
    const greenness = blue[i] * SIXTH;
    red[i] = 255 * clamp(brightness + warmth - greenness + (added ? added[3 * i] : 0), 0, 1);
    green[i] = 255 * clamp(brightness + 2 * greenness + (added ? added[3 * i + 1] : 0), 0, 1);
    blue[i] = 255 * clamp(brightness - warmth - greenness + (added ? added[3 * i + 2] : 0), 0, 1);
  }
  return planes;
}

/** A grey picture that tiles are added to. */
class Canvas {
  /**
   * @param {number} width
   * @param {number} height
   * @param {{ columns: number, rows: number }} grid
   * @param {{ width: number, height: number }} samples of a tile
   */
  constructor(width, height, { columns, rows }, samples) {
    this.width = width;
    this.height = height;
    this.rows = rows;
    this.samples = samples;
    this.planes = list(3, () => new Float32Array(width * height).fill(BLANK));
    this.across = list(columns, (i) => blending(width, columns, i, samples.width));
  }

  /**
   * @param {number} row of the tiles
   * @param {Map<number, Float64Array[]>} tiles by their column
   */
  addRow(row, tiles) {
    if (!tiles.size) return;
    const { first, pixels } = blending(this.height, this.rows, row, this.samples.height);
    for (const [column, planes] of tiles) {
      const across = this.across[column];
      planes.forEach((plane, colour) => {
        for (let i = 0; i < plane.length; i++) plane[i] -= BLANK; // the canvas has it already
        const out = this.planes[colour];
        for (let y = 0; y < pixels.length; y++) {
          const line = weighRows(pixels[y], plane, this.samples.width);
          const to = (first + y) * this.width + across.first;
          for (let x = 0; x < across.pixels.length; x++) out[to + x] += weigh(across.pixels[x], line);
        }
      });
    }
  }
}

/** @type {(planes: ArrayLike<number>[], width: number, height: number) => DecodedPicture} */
function toRGBA([red, green, blue], width, height) {
  const data = new Uint8ClampedArray(4 * red.length).fill(255); // rounds and clamps
  for (let i = 0, to = 0; i < red.length; i++, to += 4) {
    data[to] = red[i];
    data[to + 1] = green[i];
    data[to + 2] = blue[i];
  }
  return { width, height, data };
}

/** @type {(side: number, own: number, other: number) => number} other side of the result, by the file's sides */
const follow = (side, own, other) => clamp(Math.round((side * other) / own), 1, MAX_SIDE);

/**
 * @param {Contents} contents
 * @param {number | undefined} most largest number of tokens per tile
 * @returns {Int16Array[]} the tokens of the file cut to that number
 */
function firstTokens({ header, levels, tokens }, most) {
  if (most === undefined || checkInteger(most, 256, "tokens") >= header.tokens) return tokens;
  return tokens.map((row, i) => row.subarray(0, header.adaptive ? tileCount(most, levels[i]) : most));
}

/**
 * `decode` with the network as an argument, whose code pages that draw sums of codewords do not need.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} options
 * @param {NetworkOf | null} network null: only the look "bare"
 * @returns {DecodedPicture}
 */
export function draw(bytes, model, options, network) {
  const { bare = false, tokens, look = model?.looks?.[0], maxPixels = MAX_PIXELS, maxTiles = MAX_TILES } = options;
  const contents = readContents(bytes, model, bare, maxPixels, true);
  const { header, grid } = contents;
  const parts = firstTokens(contents, tokens);
  if (!model.looks.includes(look)) throw new RangeError(`look must be ${model.looks.join(" or ")}, not ${look}`);
  const width = options.width ?? (options.height ? follow(options.height, header.height, header.width) : header.width);
  const height = options.height ?? follow(width, header.width, header.height);
  checkSize(checkInteger(width, MAX_SIDE, "width"), checkInteger(height, MAX_SIDE, "height"), maxPixels);
  check(grid.tiles <= maxTiles, `${grid.tiles} tiles exceed the limit of ${maxTiles} (maxTiles)`);
  const { columns, rows, scale } = grid;
  const samples = sampling(look, extent(width, columns), extent(height, rows));
  const correct = samples.look !== BARE && network ? network(model, stripOf(width, height)) : null;
  const whole = grid.tiles === 1 && samples.width === width && samples.height === height;
  if (whole && parts[0].length) return toRGBA(drawTile(model, scale, parts[0], samples, correct), width, height);
  const canvas = new Canvas(width, height, grid, samples);
  /** @type {Map<number, Float64Array[]>} */
  let above = new Map(); // tiles with tokens of the row before, by column
  for (let row = 0; row < rows; row++) {
    /** @type {typeof above} */
    const tiles = new Map();
    for (let column = 0; column < columns; column++) {
      const held = parts[row * columns + column];
      if (held.length) tiles.set(column, drawTile(model, scale, held, samples, correct));
    }
    for (const [column, planes] of tiles) {
      const left = tiles.get(column - 1);
      if (left) blendSeam(left, planes, samples.width, samples.height, true);
    }
    for (const [column, planes] of tiles) {
      const upper = above.get(column);
      if (upper) blendSeam(upper, planes, samples.width, samples.height, false);
    }
    canvas.addRow(row - 1, above);
    above = tiles;
  }
  canvas.addRow(rows - 1, above);
  return toRGBA(canvas.planes, width, height);
}
