// Does jobs of the tests with formats/web/tok.js: JSON in on stdin, JSON out on stdout.
import { readFileSync, writeFileSync } from "node:fs";
import { encode } from "../../formats/web/tok-encode.js";
import * as tok from "../../formats/web/tok.js";

const models = new Map();
const model = (path) => {
  if (!models.has(path)) models.set(path, tok.loadModel(readFileSync(path)));
  return models.get(path);
};

/** A result, or of a TokError its text; anything else ends the run, unless it is expected: a kind of error. */
const guarded = (work, expected) => {
  try {
    return work();
  } catch (error) {
    if (expected && error.name === expected) return { refused: error.message };
    if (!(error instanceof tok.TokError) || error.message.includes("\n")) throw error;
    return { error: error.message };
  }
};

const jobs = {
  header: ({ file, bare }) => tok.readHeader(readFileSync(file), { bare }),
  tokens: ({ file, model: path, bare, length }) =>
    tok.readTokens(readFileSync(file).subarray(0, length), model(path), { bare }).map((row) => [...row]),
  /** How many tokens every prefix holds, and that they are the first of the whole file's. */
  prefixes: ({ file, model: path, bare }) => {
    const data = readFileSync(file);
    return Array.from({ length: data.length + 1 }, (_, length) =>
      guarded(() => tok.readTokens(data.subarray(0, length), model(path), { bare }).map((row) => [...row])),
    );
  },
  decode: ({ file, model: path, out, ...options }) => {
    const { width, height, data } = tok.decode(readFileSync(file), model(path), options);
    writeFileSync(out, data);
    return { width, height };
  },
  /** Without WebAssembly from here on. */
  plain: () => {
    delete globalThis.WebAssembly;
    return {};
  },
  encode: ({ pixels, values, width, height, model: path, out, ...options }) => {
    const data = pixels ? readFileSync(pixels) : values;
    writeFileSync(out, encode({ width, height, data }, model(path), options));
    return {};
  },
  /** Files with random bytes changed, cut out or put in: how many were refused, and how. */
  mutate: ({ files, bare, model: path, number, seed }) => {
    let state = seed;
    const random = (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let i = 0; i < number; i++) {
      const which = random(files.length);
      let data = [...readFileSync(files[which])];
      for (let change = random(3); change >= 0; change--) {
        const at = random(data.length + 1);
        const kind = random(4);
        if (kind === 0) data[Math.min(at, data.length - 1)] = random(256);
        if (kind === 1) data = data.slice(0, at);
        if (kind === 2) data.splice(at, random(4));
        if (kind === 3) data.splice(at, 0, random(256), random(256));
      }
      const bytes = Uint8Array.from(data);
      if (bytes.length >= 10 && random(2)) bytes.set(readFileSync(files[which]).subarray(8, 10), 8);
      const options = { bare: bare[which], width: 16, height: 16, maxPixels: 1 << 20 };
      if (guarded(() => tok.decode(bytes, model(path), options)).error) refused++;
    }
    return { refused };
  },
  load: ({ file, length, parts = [] }) => {
    const loaded = tok.loadModel(readFileSync(file).subarray(0, length), ...parts.map((part) => readFileSync(part)));
    const { name, tokens, scales, looks } = loaded;
    return { name, tokens, scales, looks, hash: Buffer.from(loaded.hash).toString("hex") };
  },
  text: ({ text }) => [...tok.fromBase64(text)],
  url: ({ url }) => {
    const { bytes, bare, model } = tok.fromDataURL(url);
    return { bytes: [...bytes], bare, model, again: tok.toDataURL(bytes, { bare, model: model ?? undefined }) };
  },
};

const list = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(list.map(({ job, expected, ...rest }) => guarded(() => jobs[job](rest), expected))));
