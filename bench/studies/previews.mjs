// Encodes and decodes pictures with formats/web as a page does: JSON in on stdin, JSON out on stdout.
import { readFileSync, writeFileSync } from "node:fs";
import { encode } from "../../formats/web/tok-encode.js";
import { decode, loadModel } from "../../formats/web/tok.js";

const { model: path, pixels, width, height, budgets, looks } = JSON.parse(readFileSync(0, "utf8"));
const model = loadModel(readFileSync(path));
const picture = { width, height, data: readFileSync(pixels) };
const found = budgets.map(({ size, bare }) => {
  const bytes = encode(picture, model, { targetSize: size, bare });
  for (const [look, side] of Object.entries(looks)) {
    const { data } = decode(bytes, model, { bare, look, [width < height ? "height" : "width"]: side });
    writeFileSync(`${pixels}.${size}.${look}`, data);
  }
  return bytes.length;
});
process.stdout.write(JSON.stringify(found));
