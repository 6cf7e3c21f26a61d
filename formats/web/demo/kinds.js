/** The placeholders that the page compares, each made of a picture on a canvas. */

import { encode } from "../tok-encode.js";
import { decode, toBase64, toDataURL } from "../tok.js";
import { pixelsOf, reduced } from "./pixels.js";
import { smallWebP } from "./webp.js";

/**
 * @typedef {object} Made
 * @property {string} size
 * @property {{ width: number, height: number, data: ArrayLike<number> }} drawn RGBA
 * @property {string} text what a page holds of it
 */

const MOST_BARE = 100; // bytes up to which a preview has no header

/** ThumbHash and BlurHash, which `npm run build` bundles. */
async function rivals() {
  try {
    return await import("./rivals.js");
  } catch {
    throw new Error("needs npm install && npm run build");
  }
}

async function thumbHash(canvas) {
  const { rgbaToThumbHash, thumbHashToRGBA } = await rivals();
  const { width, height, data } = pixelsOf(reduced(canvas, 100));
  const hash = rgbaToThumbHash(width, height, data);
  const { w, h, rgba } = thumbHashToRGBA(hash);
  return { size: `${hash.length} bytes`, drawn: { width: w, height: h, data: rgba }, text: toBase64(hash) };
}

async function blurHash(canvas) {
  const { decodeBlurHash, encodeBlurHash } = await rivals();
  const { width, height, data } = pixelsOf(reduced(canvas, 64));
  const text = encodeBlurHash(data, width, height, 4, 3);
  return {
    size: `${text.length} characters`,
    drawn: { width: 32, height: 32, data: decodeBlurHash(text, 32, 32) },
    text,
  };
}

const tokcodec = (most) => async (canvas, model) => {
  const bare = most <= MOST_BARE;
  const picture = pixelsOf(canvas);
  const bytes = encode(picture, model, { targetSize: most, bare });
  const drawn = decode(bytes, model, { bare, width: picture.width, height: picture.height });
  return { size: `${bytes.length} bytes`, drawn, text: toDataURL(bytes, { bare, model: model.name }) };
};

/**
 * What the page shows, by id: a name, and what makes it.
 * @type {Record<string, { name: string, make: (canvas: HTMLCanvasElement, model: any) => Promise<Made> }>}
 */
export const KINDS = {
  thumbhash: { name: "ThumbHash", make: thumbHash },
  blurhash: { name: "BlurHash, 4x3", make: blurHash },
  tok26: { name: "tokcodec", make: tokcodec(26) },
  webp: { name: "WebP made small", make: (canvas) => smallWebP(canvas, 200) },
  tok90: { name: "tokcodec", make: tokcodec(90) },
  tok200: { name: "tokcodec", make: tokcodec(200) },
};
