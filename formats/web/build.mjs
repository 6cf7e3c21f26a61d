// Writes dist/, the previews and their worker as one small file each, and demo/rivals.js, what the page index.html compares.
// `npm run build`; DIR as argument: all of them there instead.
import { build } from "esbuild";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const [folder] = process.argv.slice(2);
const RIVALS = `export { rgbaToThumbHash, thumbHashToRGBA } from "thumbhash";
export { decode as decodeBlurHash, encode as encodeBlurHash } from "blurhash";`;

async function bundle(path, source) {
  const { outputFiles } = await build({
    ...source,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    write: false,
  });
  // The worker lies in dist too; the model files are in the folder above, like those of previews/start.js.
  await writeFile(path, outputFiles[0].text.replaceAll("../tok-worker.js", "./tok-worker.js"));
}

const dist = folder ?? "dist";
await mkdir(dist, { recursive: true });
await bundle(join(dist, "previews.js"), { entryPoints: ["previews/start.js"] });
await bundle(join(dist, "tok-worker.js"), { entryPoints: ["tok-worker.js"] });
await bundle(join(folder ?? "demo", "rivals.js"), { stdin: { contents: RIVALS, resolveDir: "." } });
