/**
 * @param {Bytes} data a `.tokm` file, as `tokcodec models export-web` writes it, or the first part of a model
 * @param {...Bytes} parts the other parts that are wanted: the rest of the codewords, the network, or both
 * @returns {Model}
 * @throws {TokError} if it is not one, or a damaged one
 */
export function loadModel(data: Bytes, ...parts: Bytes[]): Model;
/** @param {unknown} model */
export function checkModel(model: unknown): void;
/** A model, as `loadModel` returns it. */
export class Model {
    /**
     * @param {ModelHead} head
     * @param {ModelArrays} arrays
     * @internal
     */
    constructor(head: ModelHead, arrays: ModelArrays);
    /** @type {string} */
    name: string;
    /** 32 bytes that `.tok` files are checked against. */
    hash: Uint8Array<ArrayBuffer>;
    /** Tokens per tile in the model file. */
    tokens: number;
    /** Tokens per tile of the whole model. */
    allTokens: number;
    /** @internal Values of each of a token's two digits. */
    radix: number;
    /** @internal Coefficients that a digit changes. */
    half: number;
    /** @internal Coefficients along a side of the brightness plane. */
    luma: number;
    /** @internal Coefficients along a side of the colour planes. */
    chroma: number;
    /**
     * Pixels along a tile's side, below each of which the next set of codewords is used.
     * @type {readonly number[]}
     */
    bounds: readonly number[];
    /** Sets of codewords in the model file. */
    scales: number;
    /** @internal Coefficients of a tile. */
    size: number;
    /** @internal Weights of the squared errors of planes, for `encode`. */
    weights: number[];
    /**
     * Looks that `decode` can draw, its default first.
     * @type {readonly string[]}
     */
    looks: readonly string[];
    /** @internal */
    arrays: ModelArrays;
    /**
     * @param {number} scale
     * @returns {CodewordSet}
     * @throws {TokError} if the model file lacks it
     * @internal
     */
    set(scale: number): CodewordSet;
    /**
     * @param {number} scale
     * @param {number} row a digit's
     * @param {boolean} flat whether all values are equally likely
     * @returns {Uint32Array} edges of its values
     * @internal
     */
    edges(scale: number, row: number, flat: boolean): Uint32Array;
    #private;
}
export type ModelArray = (Uint16Array | Int8Array | Float32Array) & {
    shape: number[];
};
export type ModelArrays = Record<string, ModelArray>;
/**
 * see README.md
 */
export type ModelHead = {
    format: number;
    name: string;
    hash: string;
    tokens: number;
    all_tokens: number;
    radix: number;
    half: number;
    luma: number;
    chroma: number;
    bounds: number[];
    scales: number;
    look: string | null;
    weights?: number[];
    from?: number;
    arrays: [name: string, type: string, shape: number[]][];
};
export type ModelFile = {
    head: ModelHead;
    arrays: ModelArrays;
};
/**
 * codewords of one scale; token t's digit d has row 2 t + d
 */
export type CodewordSet = {
    /**
     * the mean tile's larger coefficients
     */
    mean: ArrayLike<number>;
    /**
     * their places
     */
    meanDims: ArrayLike<number>;
    /**
     * places of the coefficients that a digit changes, [row][half]
     */
    dims: ArrayLike<number>;
    /**
     * changes of them by each value of a digit, [row][value][half]
     */
    words: Float64Array;
    /**
     * the coder's counts
     */
    rows: ArrayLike<number>[];
    /**
     * of the rows needed so far
     */
    edges: Uint32Array[];
};
import type { Bytes } from "./checks.js";
