#!/usr/bin/env bash
# BlurHash's npm encoder: a picture and its mirror image differ by 6 dB.
#
# Expected: mirroring a picture mirrors its hash's picture, with the same error.
# True: the encoder looks for the largest coefficient without taking its absolute value. If the largest ones are
# negative, the scale of all coefficients comes out too small, and they are clipped. A white field with a dark stripe at
# its left gets 6.9 dB, the same with the stripe at its right 13.3 dB.
# Why it matters to a codec: figures "of BlurHash" depend on whose encoder made the hashes. Decoders are not concerned.
# Versions: blurhash 2.0.5 (npm), node 18 or later. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > npm.log
npm install --silent --no-fund --no-audit blurhash@2.0.5 >> npm.log
cat > find.mjs <<'JS'
import { decode, encode } from "blurhash";

const side = 32;
const stripe = (left) => {
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const dark = left ? x < side / 4 : x >= side - side / 4;
      if (dark) pixels.fill(0, 4 * (y * side + x), 4 * (y * side + x) + 3);
    }
  }
  return pixels;
};
const psnr = (left) => {
  const pixels = stripe(left);
  const drawn = decode(encode(pixels, side, side, 4, 1), side, side);
  let sum = 0;
  for (let i = 0; i < pixels.length; i++) sum += i % 4 === 3 ? 0 : (pixels[i] - drawn[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * 3 * side * side) / sum);
};
const [left, right] = [psnr(true), psnr(false)];
console.log(`dark stripe at the left ${left.toFixed(1)} dB, at the right ${right.toFixed(1)} dB`);
const holds = Math.abs(left - right) > 3;
console.log(holds ? "holds: the error depends on the sign of the largest coefficient" : "changed: both are equal");
process.exit(holds ? 0 : 1);
JS
node find.mjs
