/** Draws files as bitmaps: `toBlob` and `toDataURL` for whoever has a `.tok` alone, and previews by their data URLs. */

import { TokError, decode, fromDataURL, loadModel, readHeader, shared, toBase64 } from "./tok.js";

const MOST_BYTES = 4096; // of a preview
const MOST = `a preview has at most ${MOST_BYTES} bytes`;
const MOST_TILES = 256;
const MOST_FINE = 6; // tiles that the network draws: each takes it about 60 ms

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

const models = new Map(); // address -> promise of the model, which serves all previews

function modelAt(address) {
  if (!models.has(address)) {
    const coming = fetch(address).then(async (answer) => {
      if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
      return loadModel(await answer.arrayBuffer());
    });
    coming.catch(() => models.delete(address)); // the next preview tries again
    models.set(address, coming);
  }
  return models.get(address);
}

/**
 * The preview of a data URL with at most `size` pixels a side, by the model at `address`: the sum of the codewords, or
 * with `fine` what the model's network makes of it; null where it has none, or where that would take long.
 */
export async function draw({ address, url, size, fine = false }) {
  if (url.length > 4 * MOST_BYTES) throw new TokError(MOST);
  const { bytes, bare } = fromDataURL(url);
  if (bytes.length > MOST_BYTES) throw new TokError(MOST);
  const model = await modelAt(address);
  const header = readHeader(bytes, { bare });
  const { tiles } = shared.gridOf(header, model, bare);
  if (tiles > MOST_TILES) throw new TokError(`a preview has at most ${MOST_TILES} tiles`);
  if (fine && (model.looks[0] === "bare" || tiles > MOST_FINE)) return null;
  const { width, height } = header;
  const look = fine ? model.looks[0] : "bare";
  return toBlob(bytes, model, { bare, look, [width < height ? "height" : "width"]: size });
}
