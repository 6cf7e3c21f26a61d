// Prints a preview for every picture in a folder, as raw PPM pixels: node examples/previews.mjs FOLDER [TOKENS]
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "../tok-encode.js";
import { loadModel, toDataURL } from "../tok.js";

/** Width, height and RGBA of a binary PPM of 8 bits. */
function readPPM(bytes) {
  const head = /^P6\s+(?:#.*\s+)*(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(0, 200).toString("latin1"));
  if (!head) throw new Error("not a binary PPM of 8 bits");
  const [width, height] = [Number(head[1]), Number(head[2])];
  if (bytes.length < head[0].length + 3 * width * height) throw new Error("the file is cut");
  const data = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) data.set(bytes.subarray(head[0].length + 3 * i).subarray(0, 3), 4 * i);
  return { width, height, data };
}

const [folder, tokens = "16"] = process.argv.slice(2);
if (!folder) throw new Error("usage: node previews.mjs FOLDER [TOKENS]");
const escaped = (text) => text.replace(/[&"<>]/g, (c) => `&#${c.charCodeAt(0)};`);
const model = loadModel(readFileSync(new URL("../base-3-64.tokm", import.meta.url)));
for (const name of readdirSync(folder)
  .filter((name) => name.endsWith(".ppm"))
  .sort()) {
  try {
    const picture = readPPM(readFileSync(join(folder, name)));
    const bytes = encode(picture, model, { tokens: Number(tokens), bare: true });
    console.log(`<img src="${escaped(name)}" width="${picture.width}" height="${picture.height}" alt=""`);
    console.log(`     previewsrc="${toDataURL(bytes, { bare: true, model: model.name })}">`);
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
