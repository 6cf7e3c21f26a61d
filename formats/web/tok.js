/**
 * Decodes `.tok` files with a model that `tokcodec models export-web` writes; tok-encode.js encodes. No dependencies;
 * for browsers and Node 18 or newer. The format is formats/tok-v1.md, the names are those of the Python package.
 */

const TILE = 256; // samples along a tile's side
const OVERLAP = 16; // neighbours share 1/16 of a tile
const MAX_SIDE = 16383;
const MAX_PIXELS = 89478485; // as in Python
const BLANK = 128; // grey level of a tile of which the bytes hold no token
const FIT = 0; // pitch of a picture that is one tile
const PITCHES = [FIT, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048];
const FACTORS = [256, 181, 128, 91, 64, 45, 32, 23]; // tokens of a tile by its level, in 256ths of the most

/** Whatever a file can cause, in one line. Wrong arguments are RangeError and TypeError. */
export class TokError extends Error {
  name = "TokError";
}

const check = (good, text) => {
  if (!good) throw new TokError(text);
};
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const list = (length, make) => Array.from({ length }, (_, i) => make(i));
const numbers = (length, make) => Float64Array.from({ length }, (_, i) => make(i));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const asBytes = (data) => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) throw new TypeError("bytes must be a Uint8Array or an ArrayBuffer");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};
const integer = (value, high, name) => {
  if (Number.isInteger(value) && value >= 1 && value <= high) return value;
  throw new RangeError(`${name} must be 1..${high}, not ${value}`);
};

// ---- text

export const toBase64 = (bytes) => btoa(Array.from(asBytes(bytes), (byte) => String.fromCharCode(byte)).join(""));

/** Either alphabet, with or without padding and white space. */
export function fromBase64(text) {
  let packed = text.replace(/\s+/g, "").replace(/-/g, "+").replace(/_/g, "/");
  let end = packed.length;
  while (packed[end - 1] === "=") end--;
  packed = packed.slice(0, end);
  check(/^[A-Za-z0-9+/]*$/.test(packed) && packed.length % 4 !== 1, "not base64");
  return Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
}

export const toDataURL = (bytes, { bare = false } = {}) =>
  `data:image/x-tok${bare ? "-bare" : ""};base64,${toBase64(bytes)}`;

/** Bytes of a data URL, and whether they are a bare file. */
export function fromDataURL(url) {
  const found = /^\s*data:image\/x-tok(-bare)?;base64,([^]*)$/i.exec(url);
  check(found, "not a data URL of the type image/x-tok or image/x-tok-bare");
  const text = found[2].replace(/%(2b|2f|3d)/gi, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  return { bytes: fromBase64(text), bare: Boolean(found[1]) };
}

// ---- the model

const KINDS = { uint16: Uint16Array, int8: Int8Array, float32: Float32Array };

/** A model from the bytes of a `.tokm` file. */
export function loadModel(data) {
  const bytes = asBytes(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  check(bytes.length > 8 && view.getUint32(0) === 0x544f4b4d, "not a .tokm model file");
  let at = 8 + view.getUint32(4, true);
  check(at <= bytes.length, "the model file is cut");
  const arrays = {};
  try {
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, at)));
    check(head.format === 1, "the model file needs another tok.js");
    for (const [name, type, shape] of head.arrays) {
      const end = at + shape.reduce((a, b) => a * b, KINDS[type].BYTES_PER_ELEMENT);
      check(end <= bytes.length, "the model file is cut");
      arrays[name] = Object.assign(new KINDS[type](bytes.slice(at, end).buffer), { shape });
      at = end + (-end & 3);
    }
    return new Model(head, arrays);
  } catch (error) {
    throw error instanceof TokError ? error : new TokError("the model file is damaged");
  }
}

class Model {
  constructor({ name, hash, tokens, all_tokens, radix, half, luma, chroma, bounds, scales, look }, arrays) {
    const good = (fine) => check(fine, "the model file is damaged: its arrays do not fit together");
    good(bounds.every((bound) => bound > 0) && all_tokens >= tokens);
    good([tokens, radix, half, luma, chroma, scales].every((n) => n >= 1 && n <= TILE) && scales <= bounds.length + 1);
    good(/^[0-9a-f]{64}$/.test(hash));
    // tokens: of a tile, scales: sets of codewords; both as many as the file has. bounds: see `gridOf`.
    Object.assign(this, { name, tokens, allTokens: all_tokens, radix, half, luma, chroma, bounds, scales });
    this.hash = Uint8Array.from(hash.match(/../g), (byte) => parseInt(byte, 16));
    this.size = luma ** 2 + 2 * chroma ** 2;
    this.looks = look ? [look, "bare"] : ["bare"];
    this.network = look && new Network(arrays, bounds.length + 1);
    this.sets = list(scales, (scale) => {
      const take = (key, length) => {
        const array = arrays[`${scale}.${key}`];
        good(array?.length === (length ?? array.length));
        return array;
      };
      const [counts, dims] = [take("counts", 2 * tokens * radix), take("dims", 2 * tokens * half)];
      const [words, step] = [take("words", 2 * tokens * radix * half), take("step", 2 * tokens)];
      const meanDims = take("mean.dims");
      const mean = take("mean", meanDims.length);
      good([...dims, ...meanDims].every((dim) => dim < this.size));
      // Of token t's digit d: row 2 t + d of all of them.
      const rows = list(2 * tokens, (row) => counts.subarray(row * radix, (row + 1) * radix));
      good(rows.every((row) => row.every((count) => count > 0) && sum(row) === 65536));
      const exact = new Float64Array(words.length);
      for (let i = 0; i < exact.length; i++) exact[i] = words[i] * step[Math.floor(i / (radix * half))];
      return { mean, meanDims, dims, rows, words: exact, edges: [] };
    });
  }

  set(scale) {
    const lacking = `the picture's tiles cover less than ${this.bounds[this.scales - 1]} pixels a side, for which this`;
    check(scale < this.scales, `${lacking} model file has no codewords (tokcodec models export-web --scales all)`);
    return this.sets[scale];
  }

  /** Left edges of a digit's values on the coder's scale, then its end. */
  edges(scale, row, flat) {
    if (flat) return (this.flatEdges ??= edgesOf(equalCounts(this.radix)));
    const { edges, rows } = this.set(scale);
    return (edges[row] ??= edgesOf(rows[row]));
  }
}

const equalCounts = (radix) => list(radix, (v) => Math.floor(65536 / radix) + (v < 65536 % radix));

function edgesOf(counts) {
  let below = 0;
  const edges = Array.from(counts, (count, v) => {
    below += count;
    return Math.floor(((below - count) * (2 ** 24 - counts.length)) / 65536) + v;
  });
  return Uint32Array.of(...edges, 2 ** 24);
}

const LEVEL_EDGES = edgesOf(equalCounts(FACTORS.length));

// ---- the header

/** What the bytes before the payload say. */
export function readHeader(data, { bare = false } = {}) {
  const bytes = asBytes(data);
  const size = bare ? 2 : 10;
  check(bytes.length > 0, "empty file");
  check(bare || bytes[0] === 0xf5, "not a .tok file");
  if (bare) check(!(bytes[1] & 0x80), "not a bare file, or one of a newer tokcodec");
  else check(bytes.length < 2 || (bytes[1] & 0xfc) === 0x10, "needs a newer tok.js (version, or unknown flags)");
  check(bytes.length >= size, `header truncated (${bytes.length} of ${size} bytes)`);
  if (bare) {
    const root = 2 ** (((bytes[1] & 63) - 32) / 24);
    const [width, height] = [Math.round(TILE * root), Math.round(TILE / root)];
    return { tokens: bytes[0] + 1, pitch: FIT, width, height, flat: bytes[1] > 63, adaptive: false, modelId: null };
  }
  const shape = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
  const [width, height] = [((shape >>> 14) & 0x3fff) + 1, (shape & 0x3fff) + 1];
  check(Math.max(width, height) <= MAX_SIDE, `declares ${width} x ${height} pixels; no side may exceed ${MAX_SIDE}`);
  const [flat, adaptive] = [Boolean(bytes[1] & 1), Boolean(bytes[1] & 2)];
  return { tokens: bytes[3] + 1, pitch: PITCHES[shape >>> 28], width, height, flat, adaptive, modelId: bytes[2] };
}

function headerCheck(head, hash) {
  let crc = 0xffff;
  for (const byte of [...head.subarray(0, 8), ...hash]) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** Columns and rows of tiles, and the scale of their codewords. */
function gridOf({ width, height, pitch }, model, bare) {
  const [columns, rows] = [width, height].map((side) =>
    pitch === FIT ? 1 : Math.max(1, Math.floor((2 * side + pitch) / (2 * pitch))),
  );
  const units = ((OVERLAP - 1) * columns + 1) * ((OVERLAP - 1) * rows + 1);
  const below = model.bounds.filter((bound) => OVERLAP ** 2 * width * height < bound ** 2 * units);
  return { columns, rows, tiles: columns * rows, scale: bare ? 0 : below.length };
}

// ---- the range coder

/** Reads a payload that is continued for ever with one byte. The 64 bits of its numbers are 40 above 24. */
class RangeDecoder {
  constructor(payload, padding) {
    Object.assign(this, { payload, padding, at: 0, rangeHigh: 2 ** 40 - 1, rangeLow: 2 ** 24 - 1, high: 0, low: 0 });
    this.shift();
    this.shift();
  }

  /** point = point * 2^32 + the next word */
  shift() {
    const bytes = list(4, (i) => this.payload[this.at + i] ?? this.padding);
    this.at += 4;
    this.high = (this.high * 2 ** 24 + this.low) * 256 + bytes[0];
    this.low = (bytes[1] << 16) | (bytes[2] << 8) | bytes[3];
  }

  /** The next value, or -1 where no value has this code. */
  decode(edges) {
    const step = this.rangeHigh;
    if (this.high >= step) return -1;
    // The point over the step in two halves, so that every number stays below 2^53.
    const upper = this.high * 4096 + Math.floor(this.low / 4096);
    const lower = (upper % step) * 4096 + (this.low % 4096);
    const quantile = Math.floor(upper / step) * 4096 + Math.floor(lower / step);
    let [value, end] = [0, edges.length - 1];
    while (end - value > 1) {
      const middle = (value + end) >> 1;
      if (edges[middle] <= quantile) value = middle;
      else end = middle;
    }
    const times = (factor, more) => {
      const low = factor * (step % 2 ** 24) + more;
      return [factor * Math.floor(step / 2 ** 24) + Math.floor(low / 2 ** 24), low % 2 ** 24];
    };
    [this.high, this.low] = times(quantile - edges[value], lower % step);
    [this.rangeHigh, this.rangeLow] = times(edges[value + 1] - edges[value], 0);
    if (this.rangeHigh < 256) {
      this.rangeHigh = (this.rangeHigh * 2 ** 24 + this.rangeLow) * 256;
      this.rangeLow = 0;
      this.shift();
    }
    return value;
  }
}

const tileCount = (n, level) => Math.max(1, Math.floor((n * FACTORS[level] + 128) / 256));

/** The tile of every token in the order of the payload. counts: tokens of the tiles. */
function* tokenOrder(counts) {
  const having = new Map(); // key -> counts whose tiles have a token of it
  for (const count of new Set(counts)) {
    for (let rank = 0; rank < count; rank++) {
      const key = Math.floor((rank * 2 ** 24) / count);
      having.set(key, [...(having.get(key) ?? []), count]);
    }
  }
  for (const [, some] of [...having].sort(([a], [b]) => a - b)) {
    for (let tile = 0; tile < counts.length; tile++) if (some.includes(counts[tile])) yield tile;
  }
}

function checkSize(width, height, maxPixels) {
  check(width * height <= maxPixels, `${width}x${height} pixels exceed the limit of ${maxPixels} (maxPixels)`);
}

function checkModel(model) {
  if (!(model instanceof Model)) throw new TypeError("model must be what loadModel returns");
}

/** Header, grid, levels and the tokens of every tile that the bytes hold. */
function read(data, model, bare, maxPixels) {
  const bytes = asBytes(data);
  checkModel(model);
  const header = readHeader(bytes, { bare });
  const made = bare || headerCheck(bytes, model.hash) === bytes[8] * 256 + bytes[9];
  check(made, `header damaged, or made with another model than ${model.name}`);
  checkSize(header.width, header.height, maxPixels);
  const declares = `declares ${header.tokens} tokens a tile`;
  check(header.tokens <= model.allTokens, `${declares}; model ${model.name} has ${model.allTokens}`);
  check(header.tokens <= model.tokens, `${declares}; this model file has ${model.tokens} (tokcodec models export-web)`);
  const grid = gridOf(header, model, bare);
  model.set(grid.scale);
  const payload = bytes.subarray(bare ? 2 : 10);
  const [zeros, ones] = [0x00, 0xff].map((padding) => new RangeDecoder(payload, padding));
  const next = (edges) => {
    const value = zeros.decode(edges);
    return value >= 0 && ones.decode(edges) === value ? value : -1;
  };
  const rows = [];
  const levels = [];
  if (header.adaptive) {
    for (let level; levels.length < grid.tiles && (level = next(LEVEL_EDGES)) >= 0; ) levels.push(level);
  }
  const n = header.tokens;
  const counts = header.adaptive ? levels.map((level) => tileCount(n, level)) : new Array(grid.tiles).fill(n);
  for (const tile of counts.length < grid.tiles ? [] : tokenOrder(counts)) {
    const row = (rows[tile] ??= []);
    const first = next(model.edges(grid.scale, 2 * row.length, header.flat));
    const second = first < 0 ? -1 : next(model.edges(grid.scale, 2 * row.length + 1, header.flat));
    if (second < 0) break;
    row.push(first * model.radix + second);
  }
  const none = new Int16Array(0); // one for all: a header may declare a million tiles
  return { header, grid, levels, tokens: list(grid.tiles, (i) => (rows[i] ? Int16Array.from(rows[i]) : none)) };
}

/** The tokens that a file, or any beginning of one, holds: an Int16Array for every tile. */
export function readTokens(bytes, model, { bare = false, maxPixels = MAX_PIXELS } = {}) {
  return read(bytes, model, bare, maxPixels).tokens;
}

// ---- coefficients and pixels

const bases = new Map();

/** First vectors of the DCT-II of length `size`, for coefficients of the orthonormal one of 256 samples. */
function basis(rows, size) {
  const key = rows * 65536 + size;
  const wave = (k, n) => Math.sqrt((k ? 2 : 1) / TILE) * Math.cos((Math.PI * k * (2 * n + 1)) / (2 * size));
  if (!bases.has(key)) bases.set(key, list(rows, (k) => numbers(size, (n) => wave(k, n))));
  return bases.get(key);
}

/** Calls back with coefficient, number of the codeword's value and value, for all of a token's codewords. */
function eachValue({ radix, half }, { dims, words }, token, [first, second], call) {
  for (let i = 0; i < 2 * half; i++) {
    const place = 2 * token + (i < half ? 0 : 1);
    call(dims[2 * token * half + i], words[(place * radix + (i < half ? first : second)) * half + (i % half)]);
  }
}

function addTimes(out, at, factor, values) {
  for (let i = 0; i < values.length; i++) out[at + i] += factor * values[i];
}

/** Opponent colours of coefficients at width x height samples; frequencies that do not fit are left out. */
function opponent(model, vector, width, height) {
  let at = 0;
  return [model.luma, model.chroma, model.chroma].map((side) => {
    const plane = new Float64Array(width * height);
    const [across, down] = [basis(side, width), basis(side, height)];
    for (let row = 0; row < Math.min(side, height); row++) {
      let line = null;
      for (let column = 0; column < Math.min(side, width); column++) {
        const value = vector[at + row * side + column];
        if (!value) continue;
        line ??= new Float64Array(width);
        addTimes(line, 0, value, across[column]);
      }
      for (let y = 0; line && y < height; y++) addTimes(plane, y * width, down[row][y], line);
    }
    at += side * side;
    return plane;
  });
}

const COLOURS = [3, 2, 6].map((n) => 1 / Math.sqrt(n));
const [THIRD, HALF, SIXTH] = COLOURS;

/** Red, green and blue of a tile: planes of width x height samples in 0..255. */
function drawTile(model, scale, tokens, look, width, height) {
  const set = model.set(scale);
  const vector = new Float64Array(model.size);
  set.meanDims.forEach((dim, i) => (vector[dim] = set.mean[i]));
  tokens.forEach((value, token) => {
    const digits = [Math.floor(value / model.radix), value % model.radix];
    eachValue(model, set, token, digits, (dim, part) => (vector[dim] += part));
  });
  const planes = opponent(model, vector, width, height);
  const added = look === "bare" ? null : model.network.correction(opponent(model, vector, 64, 64), tokens.length, scale);
  const [red, green, blue] = planes;
  for (let i = 0; i < red.length; i++) {
    const [b, c, d] = [red[i] * THIRD, green[i] * HALF, blue[i] * SIXTH];
    red[i] = b + c - d;
    green[i] = b + 2 * d;
    blue[i] = b - c - d;
  }
  planes.forEach((plane, c) => {
    for (let i = 0; i < plane.length; i++) plane[i] = clamp(plane[i] + (added ? added[3 * i + c] : 0), 0, 1) * 255;
  });
  return planes;
}

// ---- tiles to a picture

const FREQUENCIES = 16; // of the difference along a border that are mended
const REACH = 40; // samples from the overlap on until nothing is changed

/** Adapts tile a and the next one, b, of width x height samples to each other: membranes from the common border. */
function mend(a, b, width, height, across) {
  const [along, deep] = across ? [height, width] : [width, height];
  const at = across ? (i, d) => i * width + d : (i, d) => d * width + i;
  const shared = deep / OVERLAP;
  const waves = basis(FREQUENCIES, along);
  a.forEach((plane, c) => {
    const border = numbers(along, (i) =>
      sum(list(shared, (d) => plane[at(i, deep - shared + d)] - b[c][at(i, d)])) / shared / 2,
    );
    const spectrum = waves.map((wave) => sum(border.map((x, i) => x * wave[i])) * (TILE / along));
    for (let d = 0; d < deep; d++) {
      const distance = Math.max(0, ((d + 0.5) * TILE) / deep - 0.5 - (TILE / OVERLAP - 1));
      if (distance >= REACH) break;
      const parts = spectrum.map((x, f) => x * Math.exp((-Math.PI * f * distance) / TILE) * (1 - distance / REACH));
      for (let i = 0; i < along; i++) {
        let change = 0;
        for (let f = 0; f < FREQUENCIES; f++) change += parts[f] * waves[f][i];
        plane[at(i, deep - 1 - d)] -= change;
        b[c][at(i, d)] += change;
      }
    }
  });
}

/** Where tile i of n along a side begins and ends. */
function span(side, n, i) {
  const start = (OVERLAP - 1) * i;
  return [start, start + OVERLAP].map((edge) => (edge * side) / ((OVERLAP - 1) * n + 1));
}

/** A place among samples as { from, shares }: a Lanczos-3 kernel, `scale` times as wide, with the sum `total`. */
function lanczos(place, scale, samples, total = 1) {
  const wide = Math.max(1, scale);
  const from = Math.max(0, Math.ceil(place - 0.5 - 3 * wide));
  const sinc = (x) => (x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1);
  const shares = numbers(Math.min(samples, Math.floor(place + 0.5 + 3 * wide)) - from, (i) => {
    const distance = (from + i + 0.5 - place) / wide;
    return Math.abs(distance) < 3 ? sinc(distance) * sinc(distance / 3) : 0;
  });
  const all = sum(shares);
  return { from, shares: shares.map((share) => (share * total) / all) };
}

/** For every pixel of tile i of n along a side, from the first on: its samples' shares times its blending weight. */
function blending(side, n, i, samples) {
  const [start, end] = span(side, n, i);
  const first = Math.ceil(start - 0.5 - 1e-9);
  const ramp = (x, tile) => {
    const [from, to] = [span(side, n, tile)[0], span(side, n, tile - 1)[1]];
    return clamp((x - from) / (to - from), 0, 1);
  };
  const pixels = list(Math.min(side, Math.ceil(end - 0.5 - 1e-9)) - first, (pixel) => {
    const x = first + pixel + 0.5;
    const weight = (i > 0 ? ramp(x, i) : 1) * (i < n - 1 ? 1 - ramp(x, i + 1) : 1);
    const scale = samples / (end - start);
    return lanczos((x - start) * scale, scale, samples, weight);
  });
  return { first, pixels };
}

const mixed = ({ from, shares }, values) => {
  let value = 0;
  for (let i = 0; i < shares.length; i++) value += shares[i] * values[from + i];
  return value;
};

/** A column of lines mixed to one. lines: planes' rows of `width` numbers. */
function mixedLine({ from, shares }, plane, width) {
  const line = new Float64Array(width);
  for (let i = 0; i < shares.length; i++) {
    for (let x = 0, at = (from + i) * width; x < width; x++, at++) line[x] += shares[i] * plane[at];
  }
  return line;
}

/** Draws a file, or any beginning of one that holds the header: { width, height, data }, RGBA. */
export function decode(bytes, model, { bare = false, tokens, width, height, look, maxPixels = MAX_PIXELS } = {}) {
  const { header, grid, levels, tokens: held } = read(bytes, model, bare, maxPixels);
  const most = tokens === undefined ? header.tokens : integer(tokens, 256, "tokens");
  const style = look ?? model.looks[0];
  if (!model.looks.includes(style)) throw new RangeError(`look must be ${model.looks.join(" or ")}, not ${look}`);
  const follow = (side, own, other) => clamp(Math.round((side * other) / own), 1, MAX_SIDE);
  width ??= height ? follow(height, header.height, header.width) : header.width;
  height ??= follow(width, header.width, header.height);
  checkSize(integer(width, MAX_SIDE, "width"), integer(height, MAX_SIDE, "height"), maxPixels);
  const { columns, rows, scale } = grid;
  const one = grid.tiles === 1;
  // As many samples as a tile has pixels: what is shown small costs little.
  const samples = (side, n) => {
    const extent = Math.ceil(span(side, n, 0)[1] / OVERLAP) * OVERLAP;
    return style !== "bare" ? TILE : Math.min(TILE, one ? side : extent);
  };
  const [wide, high] = [samples(width, columns), samples(height, rows)];
  const parts = held.map((row, i) =>
    most < header.tokens ? row.subarray(0, header.adaptive ? tileCount(most, levels[i]) : most) : row,
  );
  const blank = new Float64Array(wide * high).fill(BLANK);
  const drawn = (tile) =>
    parts[tile].length ? drawTile(model, scale, parts[tile], style, wide, high) : [blank, blank, blank];
  if (one && wide === width && high === height) return toRGBA(drawn(0), width, height);
  const picture = list(3, () => new Float32Array(width * height));
  const across = list(columns, (i) => blending(width, columns, i, wide));
  const finish = (row, tiles) => {
    const { first, pixels } = blending(height, rows, row, high);
    tiles.forEach((planes, i) =>
      planes.forEach((plane, c) =>
        pixels.forEach((share, y) => {
          const line = mixedLine(share, plane, wide);
          const to = (first + y) * width + across[i].first;
          across[i].pixels.forEach((some, x) => (picture[c][to + x] += mixed(some, line)));
        }),
      ),
    );
  };
  let above = [];
  for (let row = 0; row < rows; row++) {
    const tiles = list(columns, (i) => drawn(row * columns + i));
    const both = (i, j) => parts[row * columns + i].length && parts[row * columns + j].length;
    for (let i = 1; i < columns; i++) if (both(i - 1, i)) mend(tiles[i - 1], tiles[i], wide, high, true);
    above.forEach((planes, i) => both(i - columns, i) && mend(planes, tiles[i], wide, high, false));
    finish(row - 1, above);
    above = tiles;
  }
  finish(rows - 1, above);
  return toRGBA(picture, width, height);
}

function toRGBA([red, green, blue], width, height) {
  const data = new Uint8ClampedArray(4 * red.length).fill(255); // rounds and clamps
  for (let i = 0, to = 0; i < red.length; i++, to += 4) {
    data[to] = red[i];
    data[to + 1] = green[i];
    data[to + 2] = blue[i];
  }
  return { width, height, data };
}

// ---- the network of a look

const TENTS = 9; // numbers that tell it how many tokens there are

/** The layers of tokcodec/tokenizers/look.py; pictures between them are height x width x channels. */
class Network {
  constructor(arrays, scales) {
    this.scales = scales;
    this.layers = {};
    for (const [key, weight] of Object.entries(arrays)) {
      if (!key.endsWith(".weight")) continue;
      const name = key.slice(0, -7);
      const [bias, step] = [arrays[`${name}.bias`], arrays[`${name}.step`]];
      const [out, inner, kernel = 1] = weight.shape;
      check(bias.length === out && step.length === out && kernel <= 3, `the model file is damaged: ${key}`);
      // In blocks of four outputs: block, window, output.
      const [places, blocks] = [kernel * kernel, Math.ceil(out / 4)];
      const matrix = new Float64Array(blocks * places * inner * 4);
      weight.forEach((value, i) => {
        const [o, input, place] = [Math.floor(i / places / inner), Math.floor(i / places) % inner, i % places];
        matrix[(((o >> 2) * places + place) * inner + input) * 4 + (o & 3)] = value * step[o];
      });
      this.layers[name] = { bias: numbers(4 * blocks, (i) => bias[i] ?? 0), matrix, out, inner, kernel };
    }
  }

  linear(name, x) {
    return this.conv(name, { height: 1, width: 2, channels: x.length, data: Float64Array.of(...x, ...x) }).data;
  }

  /** A convolution: 3 x 3 at equal size, 1 x 1, or 2 x 2 to half the size. */
  conv(name, x) {
    const { bias, matrix, out, inner, kernel } = this.layers[name] ?? {};
    check(inner === x.channels, `the model file is damaged: ${name} does not fit`);
    const [pad, stride] = [kernel === 3 ? 1 : 0, kernel === 2 ? 2 : 1];
    const [pitch, run, hop] = [(x.width + 2 * pad) * inner, kernel * inner, stride * inner];
    const source = pad ? new Float64Array((x.height + 2) * pitch) : x.data;
    for (let y = 0, line = x.width * inner; pad && y < x.height; y++) {
      source.set(x.data.subarray(y * line, (y + 1) * line), (y + 1) * pitch + inner);
    }
    const [height, width] = [x.height / stride, x.width / stride];
    const data = new Float64Array(height * width * out);
    for (let o = 0, weights = 0; o < out; o += 4, weights += 4 * kernel * run) {
      for (let pixel = 0; pixel < height * width; pixel += 2) {
        // Two pixels and four outputs at once: every number that is read is used several times.
        let [w, from] = [weights, Math.floor(pixel / width) * stride * pitch + (pixel % width) * hop];
        let [p0, p1, p2, p3] = [bias[o], bias[o + 1], bias[o + 2], bias[o + 3]];
        let [q0, q1, q2, q3] = [p0, p1, p2, p3];
        for (let row = 0; row < kernel; row++, from += pitch) {
          for (let at = from; at < from + run; at++, w += 4) {
            const p = source[at];
            const q = source[at + hop];
            p0 += p * matrix[w];
            p1 += p * matrix[w + 1];
            p2 += p * matrix[w + 2];
            p3 += p * matrix[w + 3];
            q0 += q * matrix[w];
            q1 += q * matrix[w + 1];
            q2 += q * matrix[w + 2];
            q3 += q * matrix[w + 3];
          }
        }
        const to = pixel * out + o;
        data[to] = p0;
        data[to + out] = q0;
        if (o + 1 < out) [data[to + 1], data[to + 1 + out]] = [p1, q1];
        if (o + 2 < out) [data[to + 2], data[to + 2 + out]] = [p2, q2];
        if (o + 3 < out) [data[to + 3], data[to + 3 + out]] = [p3, q3];
      }
    }
    return { height, width, channels: out, data };
  }

  /** What to add to a tile's 256 x 256 pixels, channels last. planes: its opponent colours at 64 x 64. */
  correction(planes, count, scale) {
    const tents = list(TENTS, (i) => Math.max(0, 1 - Math.abs(Math.log2(count) - i)));
    const told = [...tents, ...list(this.scales, (i) => Number(i === scale))];
    const known = this.linear("condition.0", told).slice(0, this.layers["condition.0"].out).map(sigmoidal);
    const blocks = (level, x) => {
      for (let block = 0, name; this.layers[`${(name = `blocks.${level}.${block}`)}.first`]; block++) {
        const gain = this.linear(`${name}.gain`, known);
        const y = silu(this.conv(`${name}.first`, silu(x)));
        y.data.forEach((v, i) => (y.data[i] = v * gain[i % y.channels]));
        x = add(x, this.conv(`${name}.second`, y));
      }
      return x;
    };
    const data = numbers(3 * 4096, (i) => planes[i % 3][Math.floor(i / 3)] * 2 * THIRD - (i % 3 ? 0 : 1));
    const fine = blocks(0, this.conv("stem", { height: 64, width: 64, channels: 3, data }));
    const middle = blocks(1, this.conv("down.0", fine));
    const coarse = blocks(2, this.conv("down.1", middle));
    let x = blocks(3, add(enlarge(this.conv("up.0", coarse)), middle));
    x = blocks(4, add(enlarge(this.conv("up.1", x)), fine));
    x = silu(shuffle(this.conv("widen", silu(x))));
    x = silu(shuffle(this.conv("middle", x)));
    return this.conv("last", x).data;
  }
}

const sigmoidal = (v) => v / (1 + Math.exp(-v));
const silu = (x) => ({ ...x, data: x.data.map(sigmoidal) });
const add = (x, y) => ({ ...x, data: x.data.map((v, i) => v + y.data[i]) });

/** A picture of twice the size; pick: where in a pixel's channels a sample's channel comes from. */
function twice({ height, width, channels, data }, out, pick) {
  const large = new Float64Array(4 * height * width * out);
  for (let y = 0, to = 0; y < 2 * height; y++) {
    for (let x = 0; x < 2 * width; x++) {
      const from = ((y >> 1) * width + (x >> 1)) * channels;
      for (let c = 0; c < out; c++, to++) large[to] = data[from + pick(c, y & 1, x & 1)];
    }
  }
  return { height: 2 * height, width: 2 * width, channels: out, data: large };
}

const enlarge = (x) => twice(x, x.channels, (c) => c);
const shuffle = (x) => twice(x, x.channels / 4, (c, down, across) => 4 * c + 2 * down + across);

/** What tok-encode.js shares; no part of the interface. */
export const shared = { FIT, MAX_SIDE, PITCHES, TILE, basis, checkModel, clamp, eachValue, gridOf, headerCheck, integer, lanczos };
Object.assign(shared, { COLOURS, list, mixed, mixedLine, numbers, span, sum });
