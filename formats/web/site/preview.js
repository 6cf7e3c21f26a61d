/** Makes the preview of a picture file, for the build of a site: Node, with the package sharp. */

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "../tok-encode.js";
import { loadModel, toDataURL } from "../tok.js";

const SIDE = 256; // samples of a tile: more pixels would not be visible
export const TOKENS = 16; // 26 bytes

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "..");
const FILE = join(PACKAGE, "base-3-64.tokm"); // bundlers take a URL for a page's file
let model;

async function ownModel() {
  model ??= loadModel(await readFile(FILE));
  return model;
}

async function reader() {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error; // it is there, for another system perhaps
    throw new Error(`the package sharp, which reads pictures, is not found from ${PACKAGE}: npm install sharp`);
  }
}

/** "#rrggbb", the mean of a picture on its background. */
function average({ width, height, data }, background) {
  const channels = [1, 3, 5].map((start, channel) => {
    const behind = parseInt(background.slice(start, start + 2), 16);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) {
      sum += data[at + channel] * data[at + 3] + behind * (255 - data[at + 3]);
    }
    return Math.round(sum / (255 * width * height));
  });
  return `#${channels.map((level) => level.toString(16).padStart(2, "0")).join("")}`;
}

/** See preview.d.ts. */
export async function previewOf(source, { tokens, targetSize, background = "#ffffff" } = {}) {
  const sharp = await reader();
  const { width, height, orientation = 1 } = await sharp(source).metadata();
  const { data, info } = await sharp(source)
    .rotate() // as its EXIF says
    .resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true })
    .toColourspace("srgb")
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const picture = { width: info.width, height: info.height, data };
  const count = tokens ?? (targetSize === undefined ? TOKENS : undefined);
  const own = await ownModel();
  const bytes = encode(picture, own, { tokens: count, targetSize, background, bare: true });
  const lies = orientation > 4; // on its side
  return {
    width: lies ? height : width,
    height: lies ? width : height,
    previewsrc: toDataURL(bytes, { bare: true, model: own.name }),
    colour: average(picture, background),
  };
}
