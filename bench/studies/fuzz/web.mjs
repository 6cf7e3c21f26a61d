// Reads bad files with formats/web/tok.js for `web.py`: a model file, a number and files on stdin, a line of JSON for each.
import { readFileSync } from "node:fs";
import { TokError, decode, loadModel, readHeader, readTokens } from "../../../formats/web/tok.js";

const input = readFileSync(0);
let at = 0;
const next = () => {
  const length = input.readUInt32BE(at);
  at += 4 + length;
  return Uint8Array.from(input.subarray(at - length, at));
};
const { maxPixels, maxDrawn, mostTiles, drawn } = JSON.parse(Buffer.from(next()).toString());
const model = loadModel(next());

/** What a work makes of a file: its own result, "refused: ..." by a TokError, or "BUG: ..." by anything else. */
const guarded = (work) => {
  try {
    return work();
  } catch (error) {
    const good = error instanceof TokError && error.message && !error.message.includes("\n");
    return good ? `refused: ${error.message}` : `BUG: ${error?.stack ?? error}`;
  }
};

const tokensOf = (data, bare) =>
  guarded(() => {
    const rows = readTokens(data, model, { bare, maxPixels });
    return { tiles: rows.length, held: rows.filter((row) => row.length).map((row) => [...row]), all: rows.map((row) => row.length) };
  });

/** Held tokens as one number, as web.py makes it: rows in turn, each by its length and its tokens. */
const digest = (found) => {
  if (typeof found === "string") return found;
  let hash = 0;
  for (const row of found.held) for (const value of [row.length, ...row]) hash = (Math.imul(hash, 31) + value) >>> 0;
  return [found.tiles, found.all.reduce((a, b) => a + b, 0), hash];
};

const pictureOf = (data, bare) =>
  guarded(() => {
    const { width, height, adaptive, pitch } = readHeader(data, { bare });
    const tiles = pitch ? Math.ceil(width / pitch + 1) * Math.ceil(height / pitch + 1) : 1;
    if (tiles > mostTiles && width * height <= maxDrawn) return "too many tiles to draw";
    const picture = decode(data, model, { bare, maxPixels: maxDrawn });
    if (picture.width !== width || picture.height !== height) throw new Error(`a picture of another size than ${width}x${height}`);
    if (picture.data.length !== 4 * width * height || typeof adaptive !== "boolean") throw new Error("too few pixels");
    return "drawn";
  });

for (let i = 0; at < input.length; i++) {
  const data = next();
  const started = process.cpuUsage();
  const header = guarded(() => readHeader(data) && "header");
  const [found, bare] = [false, true].map((bare) => digest(tokensOf(data, bare)));
  const tokens = process.cpuUsage(started);
  const pixels = drawn.includes(i) ? [pictureOf(data, false), pictureOf(data, true)] : null;
  const both = process.cpuUsage(started);
  const seconds = [tokens, both].map(({ user, system }) => (user + system) / 1e6);
  const heap = process.memoryUsage();
  const megabytes = (heap.heapUsed + heap.arrayBuffers) / 2 ** 20;
  process.stdout.write(JSON.stringify({ header, found, bare, pixels, seconds, megabytes }) + "\n");
}
