/** The largest WebP that a browser can make of a picture within a number of bytes. */

import { toBase64 } from "../tok.js";
import { pixelsOf, reduced } from "./pixels.js";

const SIDES = [1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64]; // pixels of the longer side

async function encoded(source, side) {
  const blob = await new Promise((good) => reduced(source, side).toBlob(good, "image/webp", 0));
  if (blob?.type !== "image/webp") throw new Error("this browser cannot write WebP");
  return withoutProfile(new Uint8Array(await blob.arrayBuffer()));
}

/** A WebP without the colour profile of half a kilobyte that browsers add. */
function withoutProfile(file) {
  const view = new DataView(file.buffer);
  const lengthAt = (at) => 8 + ((view.getUint32(at + 4, true) + 1) & ~1);
  for (let at = 12; at < file.length; at += lengthAt(at)) {
    const kind = String.fromCharCode(...file.subarray(at, at + 4));
    if (kind !== "VP8 " && kind !== "VP8L") continue;
    const chunk = file.subarray(at, at + lengthAt(at));
    const out = new Uint8Array(12 + chunk.length);
    out.set(file.subarray(0, 12));
    out.set(chunk, 12);
    new DataView(out.buffer).setUint32(4, 4 + chunk.length, true);
    return out;
  }
  return file;
}

export async function smallWebP(canvas, most) {
  let best = await encoded(canvas, SIDES[0]);
  if (best.length > most) throw new Error(`a single colour has ${best.length} bytes`);
  for (const side of SIDES.slice(1)) {
    const next = await encoded(canvas, side);
    if (next.length > most) break;
    best = next;
  }
  const bitmap = await createImageBitmap(new Blob([best], { type: "image/webp" }));
  return {
    size: `${best.length} bytes`,
    drawn: pixelsOf(reduced(bitmap, bitmap.width)),
    text: `data:image/webp;base64,${toBase64(best)}`,
  };
}
