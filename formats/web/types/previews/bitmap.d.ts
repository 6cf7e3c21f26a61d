/**
 * @param {Picture} picture
 * @returns {Uint8Array<ArrayBuffer>} a bitmap of 24 bits per pixel
 */
export function writeBitmap({ width, height, data }: Picture): Uint8Array<ArrayBuffer>;
export function bitmapBlob(picture: Picture): Blob;
import type { Picture } from "../codec/draw.js";
