// Writes dist/: the previews and their worker, each as one small file. `npm run build`; DIR as argument: there instead.
import { build } from "esbuild";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const folder = process.argv[2] ?? "dist";
const entries = { "previews.js": "previews/start.js", "tok-worker.js": "tok-worker.js" };
await mkdir(folder, { recursive: true });
for (const [name, entry] of Object.entries(entries)) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    write: false,
  });
  // The worker lies in dist too; the model files are in the folder above, like those of previews/start.js.
  await writeFile(join(folder, name), outputFiles[0].text.replaceAll("../tok-worker.js", "./tok-worker.js"));
}
