#!/usr/bin/env node
/** The command tokcodec-previews: pictures to a JSON file of their previews. */

import { readdir, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { placeOf, write } from "./output.js";
import { TOKENS, previewOf } from "./preview.js";

const USAGE = `usage: tokcodec-previews FILE|FOLDER... -o PATH
  -o, --output PATH        the JSON file, which is replaced
      --tokens N           of each preview; ${TOKENS} by default, at most 64
      --target-size N      largest number of bytes of each preview instead
      --background COLOUR  behind transparent pixels; #ffffff by default
  -h, --help`;
const PICTURE = /\.(avif|gif|jfif|jpe?g|png|svg|tiff?|webp)$/i;

const say = (text) => process.stderr.write(`tokcodec-previews: ${text}\n`);
const firstLine = (error) => String(error.message).split("\n")[0];
/** One line; the system's own errors repeat the path, which may be that of a temporary file. */
const reason = (error) => (error.syscall ? error.message.split(", ")[0] : firstLine(error));

function wrong(text) {
  say(`${text}\n${USAGE}`);
  process.exit(2);
}

function readArguments() {
  const options = {
    output: { type: "string", short: "o" },
    tokens: { type: "string" },
    "target-size": { type: "string" },
    background: { type: "string" },
    help: { type: "boolean", short: "h" },
  };
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return wrong(firstLine(error));
  }
}

const number = (text, name, most) => {
  if (text === undefined) return undefined;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= most
    ? value
    : wrong(`--${name} must be 1..${most}, not ${text}`);
};

/** Numbers of the files that are no pictures, by suffix. */
const leftOut = new Map();

/** Pairs of a path and its name in the result: that below the named folder. Hidden files and folders do not count. */
async function find(input) {
  if (!(await stat(input)).isDirectory()) return [[input, basename(input)]];
  const found = [];
  for (const entry of await readdir(input, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const parts = relative(input, path).split(sep);
    if (parts.some((part) => part.startsWith(".")) || !(entry.isFile() || entry.isSymbolicLink())) continue;
    if (PICTURE.test(entry.name)) found.push([path, parts.join("/")]);
    else if (entry.isFile()) {
      const kind = extname(entry.name).toLowerCase() || "without a suffix";
      leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1);
    }
  }
  return found.sort(([, a], [, b]) => (a < b ? -1 : 1));
}

const { values, positionals } = readArguments();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (!positionals.length || !values.output) wrong("give pictures or folders, and -o");
if (values.output === "-") wrong("-o must be a path");
const { output, background } = values;
const options = {
  tokens: number(values.tokens, "tokens", 64),
  targetSize: number(values["target-size"], "target-size", 4096),
  background,
};
if (background !== undefined && !/^#[0-9a-f]{6}$/i.test(background)) wrong("--background must be #rrggbb");

let failed = 0;
const fail = (name, text) => {
  failed++;
  say(`${name}: ${text}`);
};
const files = new Map(); // paths by name
for (const input of positionals) {
  try {
    for (const [path, name] of await find(input)) {
      if (files.has(name) && resolve(files.get(name)) !== resolve(path)) {
        fail(path, `skipped: ${name} is already the name of ${files.get(name)}`);
      } else files.set(name, path);
    }
  } catch (error) {
    fail(input, error.code === "ENOENT" ? "no such file or folder" : firstLine(error));
  }
}

const place = await placeOf(output, files.values()).catch((error) => fail(output, reason(error)));
if (place) await makeAll();

async function makeAll() {
  const made = new Map();
  const waiting = files.entries();
  const work = async () => {
    for (const [name, path] of waiting) {
      try {
        made.set(name, await previewOf(path, options));
      } catch (error) {
        fail(path, firstLine(error));
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const names = [...files.keys()].filter((name) => made.has(name));
  const left = [...leftOut].map(([kind, count]) => `${count} ${kind}`);
  const rest = left.length ? `; left out: ${left.sort().join(", ")}` : "";
  if (names.length) {
    const text = JSON.stringify(Object.fromEntries(names.map((name) => [name, made.get(name)])), null, 1);
    try {
      await write(place, `${text}\n`);
      say(`${names.length} previews -> ${output}${rest}`);
    } catch (error) {
      fail(output, reason(error));
    }
  } else if (!failed) fail(positionals.join(" "), `no pictures there${rest}`);
}
process.exitCode = failed ? 1 : 0;
