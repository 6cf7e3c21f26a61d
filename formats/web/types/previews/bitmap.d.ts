/**
 * @param {Picture} picture its transparency is dropped
 * @returns {Uint8Array<ArrayBuffer>} a bitmap with 24 bits per pixel
 */
export function writeBitmap({ width, height, data }: Picture): Uint8Array<ArrayBuffer>;
export function bitmapBlob(picture: Picture): Blob;
export function toBlob(bytes: Bytes, model: Model, options?: DecodeOptions): Blob;
export function toDataURL(bytes: Bytes, model: Model, options?: DecodeOptions): string;
export type Bytes = import("../codec/checks.js").Bytes;
export type DecodeOptions = import("../codec/draw.js").DecodeOptions;
export type Picture = import("../codec/draw.js").Picture;
export type Model = import("../codec/model.js").Model;
