// Encodes and decodes pictures with formats/web as a page does: JSON in on stdin, JSON out on stdout.
import { readFileSync, writeFileSync } from "node:fs";
import { encode } from "../../formats/web/tok-encode.js";
import { decode, loadModel } from "../../formats/web/tok.js";

const { model: path, pixels, width, height, budgets, looks } = JSON.parse(readFileSync(0, "utf8"));
const model = loadModel(readFileSync(path));
const picture = { width, height, data: readFileSync(pixels) };
const found = budgets.map(({ size, bare }) => {
  const bytes = encode(picture, model, { targetSize: size, bare });
  const drawn = Object.entries(looks).map(([look, side]) => {
    const small = decode(bytes, model, { bare, look, [width < height ? "height" : "width"]: side });
    writeFileSync(`${pixels}.${size}.${look}`, small.data);
    return [look, small.width, small.height];
  });
  return [bytes.length, drawn];
});
process.stdout.write(JSON.stringify(found));
