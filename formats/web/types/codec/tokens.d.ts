/**
 * @param {Bytes} data a file, or any beginning of one that holds the header
 * @param {Model} model
 * @param {boolean} bare
 * @param {number} maxPixels
 * @param {boolean} [cut] read a file of more tokens than the model file has as far as it goes; refused by default
 * @returns {Contents}
 */
export function readContents(data: Bytes, model: Model, bare: boolean, maxPixels: number, cut?: boolean): Contents;
/**
 * @param {Bytes} bytes a file, or any beginning of one that holds the header
 * @param {Model} model
 * @param {ReadOptions} [options]
 * @returns {Int16Array[]} tokens of every tile that the bytes hold
 * @throws {TokError} if the file is damaged or too large, or needs what the model lacks
 */
export function readTokens(bytes: Bytes, model: Model, { bare, maxPixels }?: ReadOptions): Int16Array[];
export type ReadOptions = {
    /**
     * the file is bare: two bytes instead of the header; false by default
     */
    bare?: boolean | undefined;
    /**
     * refuse pictures with more pixels; 89478485 by default
     */
    maxPixels?: number | undefined;
};
export type Contents = {
    header: Header;
    grid: Grid;
    /**
     * of the tiles of an adaptive file, as far as the bytes reach
     */
    levels: number[];
    /**
     * of every tile that the bytes hold
     */
    tokens: Int16Array[];
};
import type { Bytes } from "./checks.js";
import type { Model } from "./model.js";
import type { Header } from "./header.js";
import type { Grid } from "./header.js";
