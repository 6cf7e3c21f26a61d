/**
 * Draws files as bitmaps: `toBlob` and `toDataURL` for whoever has a `.tok` alone, and the previews of tok-preview.js,
 * as a module and as its worker.
 */

import { TokError, decode, fromDataURL, loadModel, readHeader, shared, toBase64 } from "./tok.js";

const MOST_BYTES = 4096; // of a preview
const MOST_TILES = 256;

/** A Windows bitmap: every browser shows it, and writing it takes no time. */
function bitmap({ width, height, data }) {
  const line = (3 * width + 3) & ~3;
  const view = new DataView(new ArrayBuffer(54 + line * height));
  const fields = [0, view.byteLength, 0, 54, 40, width, -height, 0x180001, 0, line * height];
  fields.forEach((value, i) => i && view.setInt32(4 * i - 2, value, true)); // the field at 26: 1 plane, 24 bits
  view.setUint16(0, 0x424d);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = 54 + y * line; x < width; x++, from += 4, to += 3) {
      for (let c = 0; c < 3; c++) view.setUint8(to + c, data[from + 2 - c]);
    }
  }
  return new Uint8Array(view.buffer);
}

/** The picture of a file as a Blob that an image or a download takes; options as of `decode`. */
export const toBlob = (bytes, model, options) =>
  new Blob([bitmap(decode(bytes, model, options))], { type: "image/bmp" });

/** The same as a data URL. */
export const toDataURL = (bytes, model, options) =>
  `data:image/bmp;base64,${toBase64(bitmap(decode(bytes, model, options)))}`;

let loaded = null;

/** The preview of a data URL with at most `size` pixels a side. One model serves all: it is fetched once. */
export async function draw(address, url, size) {
  loaded ??= fetch(address).then(async (answer) => {
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return loadModel(await answer.arrayBuffer());
  });
  const { bytes, bare } = fromDataURL(url);
  const model = await loaded;
  if (bytes.length > MOST_BYTES) throw new TokError(`a preview has at most ${MOST_BYTES} bytes`);
  const header = readHeader(bytes, { bare });
  if (shared.gridOf(header, model, bare).tiles > MOST_TILES) throw new TokError(`a preview has at most ${MOST_TILES} tiles`);
  const { width, height } = header;
  return toBlob(bytes, model, { bare, look: "bare", [width < height ? "height" : "width"]: size });
}

// As a worker.
if (typeof document === "undefined" && typeof self !== "undefined" && self.postMessage) {
  self.onmessage = async ({ data: { id, address, url, size } }) => {
    try {
      self.postMessage({ id, blob: await draw(address, url, size) });
    } catch (error) {
      self.postMessage({ id, error: String(error.message) });
    }
  };
}
