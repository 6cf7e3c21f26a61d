/** The header, and the grid of tiles that it declares; see formats/tok-v1.md. */

import { clamp } from "./arrays.js";
import { MAX_SIDE, asBytes, check } from "./checks.js";

/** @import { Bytes } from "./checks.js" */

/**
 * @typedef {object} Header
 * @property {number} tokens tokens per tile, 1..256
 * @property {number} pitch pixels from tile to tile, 0 for one tile
 * @property {number} width pixels
 * @property {number} height pixels
 * @property {boolean} flat coded with equal counts
 * @property {boolean} adaptive tiles have different numbers of tokens
 * @property {number | null} modelId the first byte of the model's hash; null for a bare file
 */

/**
 * @typedef {object} Grid
 * @property {number} columns
 * @property {number} rows
 * @property {number} tiles columns times rows
 * @property {number} scale set of codewords for tiles of this size
 */

export const TILE = 256; // samples along a tile's side
export const OVERLAP = 16; // neighbours share 1/16 of a tile
export const FIT = 0; // pitch of a picture that is one tile
export const PITCHES = [FIT, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048];

/**
 * @param {Bytes} data a file, or its beginning
 * @param {{ bare?: boolean }} [options] bare: the file is a bare one; false by default
 * @returns {Header}
 * @throws {TokError} if it is not a file of this format
 */
export function readHeader(data, { bare = false } = {}) {
  const bytes = asBytes(data);
  const size = bare ? 2 : 10;
  check(bytes.length > 0, "empty file");
  check(bare || bytes[0] === 0xf5, "not a .tok file");
  if (bare) check(!(bytes[1] & 0x80), "not a bare file, or one of a newer tokcodec");
  else check(bytes.length < 2 || (bytes[1] & 0xfc) === 0x10, "needs a newer tok.js (version, or unknown flags)");
  check(bytes.length >= size, `header truncated (${bytes.length} of ${size} bytes)`);
  if (bare) {
    const root = 2 ** (((bytes[1] & 63) - 32) / 24); // of the aspect
    const width = Math.round(TILE * root);
    const height = Math.round(TILE / root);
    return { tokens: bytes[0] + 1, pitch: FIT, width, height, flat: bytes[1] > 63, adaptive: false, modelId: null };
  }
  const shape = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
  const width = ((shape >>> 14) & 0x3fff) + 1;
  const height = (shape & 0x3fff) + 1;
  check(Math.max(width, height) <= MAX_SIDE, `declares ${width} x ${height} pixels; no side may exceed ${MAX_SIDE}`);
  const flat = Boolean(bytes[1] & 1);
  const adaptive = Boolean(bytes[1] & 2);
  return { tokens: bytes[3] + 1, pitch: PITCHES[shape >>> 28], width, height, flat, adaptive, modelId: bytes[2] };
}

/**
 * @param {Omit<Header, "adaptive" | "modelId">} header of a file that is not adaptive
 * @param {Uint8Array} hash the model's
 * @param {boolean} bare
 * @returns {Uint8Array<ArrayBuffer>} the header's bytes
 */
export function writeHeader({ tokens, pitch, width, height, flat }, hash, bare) {
  if (bare) {
    const aspect = clamp(32 + Math.round(12 * Math.log2(width / height)), 0, 63);
    return Uint8Array.of(tokens - 1, Number(flat) * 64 + aspect);
  }
  const head = Uint8Array.of(0xf5, 16 + Number(flat), hash[0], tokens - 1, 0, 0, 0, 0, 0, 0);
  const view = new DataView(head.buffer);
  view.setUint32(4, (PITCHES.indexOf(pitch) << 28) | ((width - 1) << 14) | (height - 1));
  view.setUint16(8, headerCheck(head, hash));
  return head;
}

/** @type {(head: Uint8Array, hash: Uint8Array) => number} CRC-16 of the first 8 bytes and the model's hash */
export function headerCheck(head, hash) {
  let crc = 0xffff;
  for (const byte of [...head.subarray(0, 8), ...hash]) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** @type {(side: number, pitch: number) => number} tiles along a side of pixels */
const tilesAlong = (side, pitch) => (pitch === FIT ? 1 : Math.max(1, Math.floor((2 * side + pitch) / (2 * pitch))));

/**
 * @param {{ width: number, height: number, pitch: number }} header
 * @param {readonly number[]} bounds the model's
 * @param {boolean} bare
 * @returns {Grid}
 */
export function gridOf({ width, height, pitch }, bounds, bare) {
  const columns = tilesAlong(width, pitch);
  const rows = tilesAlong(height, pitch);
  const units = ((OVERLAP - 1) * columns + 1) * ((OVERLAP - 1) * rows + 1);
  const below = bounds.filter((bound) => OVERLAP ** 2 * width * height < bound ** 2 * units);
  return { columns, rows, tiles: columns * rows, scale: bare ? 0 : below.length };
}

/** @type {(side: number, n: number, i: number) => number} where tile i of n along a side begins, in the side's unit */
export const tileStart = (side, n, i) => ((OVERLAP - 1) * i * side) / ((OVERLAP - 1) * n + 1);

/** @type {(side: number, n: number, i: number) => number} where it ends */
export const tileEnd = (side, n, i) => (((OVERLAP - 1) * i + OVERLAP) * side) / ((OVERLAP - 1) * n + 1);
