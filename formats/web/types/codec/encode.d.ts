/**
 * Encodes a picture with Python's search and defaults.
 * @param {Picture} picture RGBA
 * @param {Model} model
 * @param {EncodeOptions} [options]
 * @returns {Uint8Array<ArrayBuffer>} a `.tok` file, or a bare one
 * @throws {RangeError | TypeError} if an argument is wrong
 */
export function encode(picture: Picture, model: Model, { tokens, bare, pitch, background: colour, targetSize }?: EncodeOptions): Uint8Array<ArrayBuffer>;
/**
 * `outside`: squared error that tokens cannot reduce
 */
export type Tile = import("./search.js").Path & {
    outside: number;
};
export type EncodeOptions = {
    /**
     * per tile; 64 by default, or with `targetSize` what the model has
     */
    tokens?: number | undefined;
    /**
     * two bytes instead of the header, for readers who know the model; false by default
     */
    bare?: boolean | undefined;
    /**
     * pixels from tile to tile, or "fit" for one tile; 256 by default, bare "fit"
     */
    pitch?: number | "fit" | undefined;
    /**
     * "#rrggbb" behind transparent pixels; "#ffffff" by default
     */
    background?: string | undefined;
    /**
     * largest number of bytes of the file; `tokens` is then the largest number per tile
     */
    targetSize?: number | undefined;
};
import type { Picture } from "./draw.js";
import type { Model } from "./model.js";
