// Writes codec/simd-code.js: the convolution and the activation of codec/convolution.js in WebAssembly with SIMD.
// `npm run simd`; FILE as argument: there instead.
import { writeFile } from "node:fs/promises";
import wabt from "wabt";

const PIXELS = 8; // that are convolved at once, for four outputs each
const pixels = [...Array(PIXELS).keys()];
const each = (make, from = 0) => pixels.slice(from).map(make).join("\n");
const LOG2E = Math.log2(Math.E);
const POWERS = [...Array(6).keys()].map((n) => Math.LN2 ** n / [1, 1, 2, 6, 24, 120][n]); // of 2^x, by Taylor

/** 2^x of $f by Horner's rule. */
const power = POWERS.slice(0, -1).reduceRight(
  (inner, factor) => `(f32x4.add (${splat(factor)}) (f32x4.mul (local.get $f) ${inner}))`,
  `(${splat(POWERS.at(-1))})`,
);

function splat(value) {
  return `v128.const f32x4 ${Array(4).fill(value).join(" ")}`;
}

const text = `(module
  (import "" "memory" (memory 0))

  ;; All addresses and distances are in bytes. The source has its border; weights are [block][row][number][output].
  (func (export "convolve")
    (param $source i32) (param $weights i32) (param $bias i32) (param $out i32)
    (param $height i32) (param $width i32) (param $blocks i32) ;; of four outputs
    (param $hop i32) (param $pitch i32) (param $down i32) ;; to the next pixel, row of the window, and row of outputs
    (param $kernel i32) (param $run i32) (param $size i32) ;; rows of the window, bytes of one, bytes of a pixel's outputs
    (local $block i32) (local $y i32) (local $x i32) (local $row i32) (local $from i32) (local $at i32) (local $end i32)
    (local $w i32) (local $to i32) (local $v v128)
    ${each((i) => `(local $a${i} v128) (local $h${i} i32)`)}
    ${each((i) => `(local.set $h${i} (i32.mul (local.get $hop) (i32.const ${i})))`)}
    (loop $blocks_
      (local.set $to (i32.add (local.get $out) (i32.mul (local.get $block) (i32.const 16))))
      (local.set $y (i32.const 0))
      (loop $rows
        (local.set $x (i32.const 0))
        (loop $columns
          (local.set $v (v128.load (i32.add (local.get $bias) (i32.mul (local.get $block) (i32.const 16)))))
          ${each((i) => `(local.set $a${i} (local.get $v))`)}
          (local.set $w (i32.add (local.get $weights) (i32.mul (local.get $block)
            (i32.mul (local.get $kernel) (i32.mul (local.get $run) (i32.const 4))))))
          (local.set $from (i32.add (local.get $source) (i32.add
            (i32.mul (local.get $y) (local.get $down)) (i32.mul (local.get $x) (local.get $hop)))))
          (local.set $row (i32.const 0))
          (loop $window
            (local.set $at (local.get $from))
            (local.set $end (i32.add (local.get $at) (local.get $run)))
            (loop $numbers
              (local.set $v (v128.load (local.get $w)))
              ${each(
                (i) =>
                  `(local.set $a${i} (f32x4.add (local.get $a${i}) (f32x4.mul (local.get $v)
                (v128.load32_splat (i32.add (local.get $at) (local.get $h${i}))))))`,
              )}
              (local.set $w (i32.add (local.get $w) (i32.const 16)))
              (br_if $numbers (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (local.get $end))))
            (local.set $from (i32.add (local.get $from) (local.get $pitch)))
            (br_if $window (i32.lt_u
              (local.tee $row (i32.add (local.get $row) (i32.const 1))) (local.get $kernel))))
          ;; Fewer than four outputs: what is stored too much is overwritten by the next pixel.
          ${each(
            (i) => `(v128.store (local.get $to) (local.get $a${i}))
          (local.set $to (i32.add (local.get $to) (local.get $size)))`,
          )}
          (br_if $columns (i32.lt_u
            (local.tee $x (i32.add (local.get $x) (i32.const ${PIXELS}))) (local.get $width))))
        (br_if $rows (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (local.get $height))))
      (br_if $blocks_ (i32.lt_u
        (local.tee $block (i32.add (local.get $block) (i32.const 1))) (local.get $blocks)))))

  ;; x / (1 + e^-x) of all numbers between two addresses
  (func (export "silu") (param $at i32) (param $end i32)
    (local $x v128) (local $t v128) (local $n v128) (local $f v128)
    (loop $numbers
      (local.set $x (v128.load (local.get $at)))
      (local.set $t (f32x4.max (${splat(-126)}) (f32x4.min (${splat(126)})
        (f32x4.mul (local.get $x) (${splat(-LOG2E)})))))
      (local.set $n (f32x4.nearest (local.get $t)))
      (local.set $f (f32x4.sub (local.get $t) (local.get $n)))
      (v128.store (local.get $at) (f32x4.div (local.get $x) (f32x4.add (${splat(1)}) (f32x4.mul ${power}
        (i32x4.shl (i32x4.add (i32x4.trunc_sat_f32x4_s (local.get $n)) (v128.const i32x4 127 127 127 127))
          (i32.const 23))))))
      (br_if $numbers (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))))
`;

const module = (await wabt()).parseWat("simd.wat", text, { simd: true });
const { buffer } = module.toBinary({});
const code = Buffer.from(buffer)
  .toString("base64")
  .match(/.{1,110}/g);
await writeFile(
  process.argv[2] ?? "codec/simd-code.js",
  `/** WebAssembly in base64, made by simd.mjs. */
export const PIXELS = ${PIXELS};
export const CODE =
${code.map((line) => `  "${line}"`).join(" +\n")};
`,
);
