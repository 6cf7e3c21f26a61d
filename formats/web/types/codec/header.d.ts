/**
 * @param {Bytes} data a file, or its beginning
 * @param {{ bare?: boolean }} [options] bare: the file is a bare one; false by default
 * @returns {Header}
 * @throws {TokError} if it is not a file of this format
 */
export function readHeader(data: Bytes, { bare }?: {
    bare?: boolean;
}): Header;
/**
 * @param {Omit<Header, "adaptive" | "modelId">} header of a file that is not adaptive
 * @param {Uint8Array} hash the model's
 * @param {boolean} bare
 * @returns {Uint8Array<ArrayBuffer>} the header's bytes
 */
export function writeHeader({ tokens, pitch, width, height, flat }: Omit<Header, "adaptive" | "modelId">, hash: Uint8Array, bare: boolean): Uint8Array<ArrayBuffer>;
export function headerCheck(head: Uint8Array, hash: Uint8Array): number;
/**
 * @param {{ width: number, height: number, pitch: number }} header
 * @param {readonly number[]} bounds the model's
 * @param {boolean} bare
 * @returns {Grid}
 */
export function gridOf({ width, height, pitch }: {
    width: number;
    height: number;
    pitch: number;
}, bounds: readonly number[], bare: boolean): Grid;
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
export const TILE: 256;
export const OVERLAP: 16;
export const FIT: 0;
export const PITCHES: number[];
/** @type {(side: number, n: number, i: number) => number} where tile i of n along a side begins, in the side's unit */
export const tileStart: (side: number, n: number, i: number) => number;
/** @type {(side: number, n: number, i: number) => number} where it ends */
export const tileEnd: (side: number, n: number, i: number) => number;
export type Header = {
    /**
     * tokens per tile, 1..256
     */
    tokens: number;
    /**
     * pixels from tile to tile, 0 for one tile
     */
    pitch: number;
    /**
     * pixels
     */
    width: number;
    /**
     * pixels
     */
    height: number;
    /**
     * coded with equal counts
     */
    flat: boolean;
    /**
     * tiles have different numbers of tokens
     */
    adaptive: boolean;
    /**
     * the first byte of the model's hash; null for a bare file
     */
    modelId: number | null;
};
export type Grid = {
    columns: number;
    rows: number;
    /**
     * columns times rows
     */
    tiles: number;
    /**
     * set of codewords for tiles of this size
     */
    scale: number;
};
import type { Bytes } from "./checks.js";
