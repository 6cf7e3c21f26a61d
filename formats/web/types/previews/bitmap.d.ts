/**
 * @param {Picture} picture
 * @returns {Uint8Array<ArrayBuffer>} a bitmap of 24 bits per pixel
 */
export function writeBitmap({ width, height, data }: Picture): Uint8Array<ArrayBuffer>;
export function bitmapBlob(picture: Picture): Blob;
export function toBlob(bytes: Bytes, model: Model, options?: DecodeOptions): Blob;
export function toDataURL(bytes: Bytes, model: Model, options?: DecodeOptions): string;
import type { Picture } from "../codec/draw.js";
import type { Bytes } from "../codec/checks.js";
import type { Model } from "../codec/model.js";
import type { DecodeOptions } from "../codec/draw.js";
