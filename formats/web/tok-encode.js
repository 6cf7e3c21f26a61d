/** Encodes pictures as `.tok` files, with the same search as tokcodec/tokenizers/codewords.py. */

import { shared } from "./tok.js";

const { FIT, MAX_SIDE, PITCHES, TILE, basis, checkModel, clamp, eachValue, gridOf, headerCheck, integer } = shared;
const { COLOURS, lanczos, list, mixed, mixedLine, numbers, span, sum } = shared;
const [THIRD, HALF, SIXTH] = COLOURS;

const RATE_WEIGHT = 0.013; // part of the error left, over the number of the token, that one bit is worth
const BEAM = [2, 4, 8]; // paths kept after each of the first tokens
const BEAM_TOKENS = 16; // looked for together
const BEST = 3; // codewords of each half that a path may go on with

class Spread {
  number = 0;
  sum = 0;
  squares = 0;

  add(values) {
    this.number += values.length;
    for (let i = 0; i < values.length; i++) {
      this.sum += values[i];
      this.squares += values[i] * values[i];
    }
  }

  get variance() {
    return this.squares / this.number - (this.sum / this.number) ** 2;
  }
}

/** Coefficients of a part of a picture, which lies on white, and the squared error that no token mends. */
function transform(model, { width, height, data }, [left, right], [top, bottom]) {
  const shares = (start, end, side) =>
    list(TILE, (i) => lanczos(start + ((i + 0.5) * (end - start)) / TILE, (end - start) / TILE, side));
  const [across, down] = [shares(left, right, width), shares(top, bottom, height)];
  const line = new Float64Array(width);
  let lost = 0; // of the source's variance, by resampling
  const [red, green, blue] = list(3, (c) => {
    const narrow = new Float64Array(height * TILE);
    const source = new Spread();
    for (let y = down[0].from; y < down[255].from + down[255].shares.length; y++) {
      for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
        line[x] = (data[at + c] * data[at + 3] + 255 * (255 - data[at + 3])) / 65025;
      }
      if (y >= Math.floor(top) && y < bottom) source.add(line.subarray(Math.floor(left), Math.ceil(right)));
      for (let x = 0; x < TILE; x++) narrow[y * TILE + x] = mixed(across[x], line);
    }
    const kept = new Spread();
    const plane = down.map((share) => mixedLine(share, narrow, TILE).map((v) => clamp(v, 0, 1)));
    plane.forEach((row) => kept.add(row));
    lost += Math.max(0, source.variance - kept.variance) * TILE * TILE;
    return plane;
  });
  const planes = [
    [THIRD, THIRD, THIRD],
    [HALF, 0, -HALF],
    [-SIXTH, 2 * SIXTH, -SIXTH],
  ];
  const vector = new Float64Array(model.size);
  let [energy, at] = [0, 0];
  planes.forEach(([r, g, b], plane) => {
    const side = plane ? model.chroma : model.luma;
    const waves = basis(side, TILE);
    const columns = list(side, () => new Float64Array(TILE));
    for (let y = 0; y < TILE; y++) {
      const values = red[y].map((v, x) => r * v + g * green[y][x] + b * blue[y][x]);
      energy += dot(values, values);
      for (let k = 0; k < side; k++) columns[k][y] = dot(values, waves[k]);
    }
    for (const wave of waves) for (const column of columns) vector[at++] = dot(wave, column);
  });
  return { vector, outside: Math.max(0, energy - dot(vector, vector)) + lost };
}

function dot(x, y) {
  let [a, b] = [0, 0];
  for (let i = 0; i < x.length; i += 2) {
    a += x[i] * y[i];
    b += x[i + 1] * y[i + 1];
  }
  return a + b;
}

/** Tokens of coefficients, and the squared error that 0, 1, ... of them leave. */
function search(model, set, vector, count) {
  const { dims, words, rows } = set;
  const { radix, half } = model;
  set.costs ??= numbers(rows.length * radix, (i) => sum(words.slice(i * half, (i + 1) * half).map((x) => x * x)) / 2);
  set.prices ??= numbers(rows.length * radix, (i) => {
    const [row, word] = [Math.floor(i / radix), i % radix];
    return (RATE_WEIGHT / (2 * ((row >> 1) + 1))) * Math.log2(65536 / rows[row][word]);
  });
  /** The best codewords of a half, [value, codeword], the best first. */
  const best = ({ rest, left }, row, number) => {
    const found = [];
    for (let word = 0; word < radix; word++) {
      const at = row * radix + word;
      let value = -set.costs[at] - left * set.prices[at];
      for (let i = 0; i < half; i++) value += rest[dims[row * half + i]] * words[at * half + i];
      if (found.length === number && value <= found[number - 1][0]) continue;
      found.push([value, word]);
      found.sort(([a], [b]) => b - a).splice(number);
    }
    return found;
  };
  const rest = vector.slice();
  set.meanDims.forEach((dim, i) => (rest[dim] -= set.mean[i]));
  const left = dot(rest, rest);
  let paths = [{ rest, left, tokens: [], errors: [left] }];
  const together = Math.min(BEAM_TOKENS, model.tokens);
  for (let token = 0; token < Math.max(count, together); token++) {
    const width = token < together - 1 ? BEAM[Math.min(token, BEAM.length - 1)] : 1;
    const pairs = paths.flatMap((path) => {
      const [first, second] = [0, 1].map((digit) => best(path, 2 * token + digit, token < together ? BEST : 1));
      return first.flatMap(([a, x]) => second.map(([b, y]) => ({ value: a + b - path.left / 2, path, digits: [x, y] })));
    });
    paths = pairs
      .sort((a, b) => b.value - a.value)
      .slice(0, width)
      .map(({ path, digits }) => {
        const next = { ...path, rest: width > 1 ? path.rest.slice() : path.rest };
        eachValue(model, set, token, digits, (dim, part) => {
          next.left -= part * (2 * next.rest[dim] - part);
          next.rest[dim] -= part;
        });
        next.tokens = [...path.tokens, digits[0] * radix + digits[1]];
        next.errors = [...path.errors, next.left];
        return next;
      });
  }
  return paths[0];
}

/** The payload of digits, [edges, value] each: the shortest bytes all of whose continuations hold them. */
function encodeDigits(digits) {
  const WORD = 2n ** 32n;
  const words = []; // of 32 bits, before the 64 bits of `low`
  const carry = () => {
    for (let i = words.length - 1; (words[i] = (words[i] + 1) % 2 ** 32) === 0; i--);
  };
  let [low, range] = [0n, WORD * WORD - 1n];
  for (const [edges, value] of digits) {
    const step = range >> 24n;
    low += step * BigInt(edges[value]);
    range = step * BigInt(edges[value + 1] - edges[value]);
    if (low >= WORD * WORD) carry();
    low %= WORD * WORD;
    if (range >= WORD) continue;
    words.push(Number(low / WORD));
    [low, range] = [(low % WORD) * WORD, range * WORD];
  }
  let shift = BigInt((range.toString(2).length - 1) & ~7);
  const head = () => -(-low >> shift); // rounded up
  while ((head() + 1n) << shift > low + range) shift -= 8n;
  if (head() << shift >= WORD * WORD) carry();
  const size = Number(64n - shift) / 8;
  const payload = new Uint8Array(4 * words.length + size);
  const view = new DataView(payload.buffer);
  words.forEach((word, i) => view.setUint32(4 * i, word));
  for (let i = 0; i < size; i++) payload[4 * words.length + i] = Number((head() >> BigInt(8 * (size - 1 - i))) & 255n);
  return payload;
}

/** The shorter of the files of `count` tokens a tile: by the model's tables, and by equal counts. */
function pack(model, { width, height }, pitch, scale, tiles, count, bare) {
  const files = [0, 1].map((flat) => {
    const digits = list(count, (token) =>
      tiles.flatMap(({ tokens }) => [
        [model.edges(scale, 2 * token, flat), Math.floor(tokens[token] / model.radix)],
        [model.edges(scale, 2 * token + 1, flat), tokens[token] % model.radix],
      ]),
    );
    const payload = encodeDigits(digits.flat());
    const aspect = clamp(32 + Math.round(12 * Math.log2(width / height)), 0, 63);
    const head = bare ? [count - 1, flat * 64 + aspect] : [0xf5, 16 + flat, model.hash[0], count - 1, 0, 0, 0, 0, 0, 0];
    const file = new Uint8Array(head.length + payload.length);
    file.set(head);
    file.set(payload, head.length);
    if (bare) return file;
    const view = new DataView(file.buffer);
    view.setUint32(4, (PITCHES.indexOf(pitch) << 28) | ((width - 1) << 14) | (height - 1));
    view.setUint16(8, headerCheck(file, model.hash));
    return file;
  });
  return files[1].length < files[0].length ? files[1] : files[0];
}

/** Encodes a picture, { width, height, data } with RGBA, to the bytes of a file; README.md has the options. */
export function encode(picture, model, { tokens, bare = false, pitch, targetSize } = {}) {
  const { width, height, data } = picture;
  checkModel(model);
  integer(width, MAX_SIDE, "width");
  integer(height, MAX_SIDE, "height");
  const good = (data instanceof Uint8Array || data instanceof Uint8ClampedArray) && data.length === 4 * width * height;
  if (!good) throw new TypeError("data must be RGBA, 4 bytes for every pixel");
  const sized = targetSize !== undefined && integer(targetSize, 2 ** 32, "targetSize") > 0;
  const count = integer(tokens ?? (sized ? model.tokens : Math.min(64, model.tokens)), model.tokens, "tokens");
  const wanted = pitch === "fit" || (bare && pitch === undefined) ? FIT : pitch ?? TILE;
  if (!PITCHES.includes(wanted) || (bare && wanted !== FIT)) throw new RangeError(`pitch must not be ${pitch}`);
  let best = null;
  const several = sized && pitch === undefined && !bare;
  for (const step of several ? [FIT, ...PITCHES.slice(1).reverse()] : [wanted]) {
    const { columns, rows, scale, tiles: number } = gridOf({ width, height, pitch: step }, model, bare);
    // Tiles for whose scale the model file lacks codewords.
    if (best && scale >= model.scales) break;
    if (best?.tiles.length === number) continue;
    const set = model.set(scale);
    // A token costs more than half a byte.
    const most = sized ? clamp(Math.floor((2 * targetSize) / number), 1, count) : count;
    const tiles = list(number, (i) => {
      const [x, y] = [span(width, columns, i % columns), span(height, rows, Math.floor(i / columns))];
      const { vector, outside } = transform(model, picture, x, y);
      return { outside, ...search(model, set, vector, most) };
    });
    const file = (n) => pack(model, picture, step, scale, tiles, n, bare);
    if (!sized) return file(count);
    let [low, high] = [0, most];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (file(middle).length <= targetSize) low = middle;
      else high = middle - 1;
    }
    const error = sum(tiles.map((tile) => tile.errors[low] + tile.outside)) / number;
    const better = low && !(best?.error <= error);
    if (!better && low < count) break; // the bytes are used up: finer pitches would be worse still
    if (better) best = { error, tiles, file: file(low) };
  }
  if (!best) throw new RangeError(`targetSize must be larger than ${targetSize} bytes for this picture`);
  return best.file;
}
