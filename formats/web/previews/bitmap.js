/** Writes decoded pictures as Windows bitmaps, which is fast. */

/** @import { Picture } from "../codec/draw.js" */

const HEADER = 54; // bytes

/**
 * @param {Picture} picture
 * @returns {Uint8Array<ArrayBuffer>} a bitmap of 24 bits per pixel
 */
export function writeBitmap({ width, height, data }) {
  const line = (3 * width + 3) & ~3;
  const view = new DataView(new ArrayBuffer(HEADER + line * height));
  const fields = [0, view.byteLength, 0, HEADER, 40, width, -height, 0x180001, 0, line * height];
  fields.forEach((value, i) => i && view.setInt32(4 * i - 2, value, true)); // the field at 26: 1 plane, 24 bits
  view.setUint16(0, 0x424d);
  const bytes = new Uint8Array(view.buffer);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = HEADER + y * line; x < width; x++, from += 4, to += 3) {
      bytes[to] = data[from + 2];
      bytes[to + 1] = data[from + 1];
      bytes[to + 2] = data[from];
    }
  }
  return bytes;
}

/** @param {Picture} picture */
export const bitmapBlob = (picture) => new Blob([writeBitmap(picture)], { type: "image/bmp" });
