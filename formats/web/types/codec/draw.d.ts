/**
 * `decode` with the network as an argument, whose code pages that draw sums of codewords do not need.
 * @param {Bytes} bytes
 * @param {Model} model
 * @param {DecodeOptions} options
 * @param {NetworkOf | null} network null: only the look "bare"
 * @returns {DecodedPicture}
 */
export function draw(bytes: Bytes, model: Model, options: DecodeOptions, network: NetworkOf | null): DecodedPicture;
/**
 * RGBA; an ImageData is one
 */
export type Picture = {
    /**
     * pixels
     */
    width: number;
    /**
     * pixels
     */
    height: number;
    /**
     * 4 bytes for every pixel, row by row
     */
    data: Uint8ClampedArray | Uint8Array;
};
export type DecodedPicture = Picture & {
    data: Uint8ClampedArray<ArrayBuffer>;
};
export type DrawOptions = {
    /**
     * largest number of tokens drawn per tile, 1..256; all by default
     */
    tokens?: number | undefined;
    /**
     * pixels of the result; by default follows `height`, or the file's
     */
    width?: number | undefined;
    /**
     * pixels of the result; by default follows `width`, or the file's
     */
    height?: number | undefined;
    /**
     * one of `model.looks`; the first by default
     */
    look?: string | undefined;
    /**
     * refuse files of more tiles; 500 by default
     */
    maxTiles?: number | undefined;
};
export type DecodeOptions = import("./tokens.js").ReadOptions & DrawOptions;
/**
 * what a network adds
 */
export type Correct = (planes: Float64Array[], count: number, scale: number) => ArrayLike<number>;
/**
 * a model's network for strips, or whole tiles
 */
export type NetworkOf = (model: Model, strip: Strip | null) => Correct;
import type { Bytes } from "./checks.js";
import type { Model } from "./model.js";
import type { Strip } from "./convolution.js";
