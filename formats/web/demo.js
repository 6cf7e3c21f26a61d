// The page index.html: encodes a picture, and shows it beside other placeholders of about the same size.
import { start } from "./tok-preview.js";
import { encode } from "./tok-encode.js";
import { decode, loadModel, toBase64, toDataURL } from "./tok.js";

const SAMPLES = ["cat", "coffee", "astronaut", "rocket"];
const LONGEST = 512; // longer side of the encoded picture: more pixels would not be visible
const GALLERY = 20;
const SLOW = 250; // milliseconds between images, and
const FIRST = 1000; // before the first one

const $ = (id) => document.getElementById(id);
const caption = (id, text) => ($(id).closest("figure").querySelector("span").textContent = text);
const fetched = async (name) => {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return answer;
};

let model = null;
let picture = null; // ImageData
let bytes = null; // of the picture, bare

function show(id, { width, height, data }) {
  const canvas = Object.assign($(id), { width, height });
  canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
}

/** A picture's pixels with sides of at most `longest`. */
function pixels(source, longest, [left, top, width, height] = [0, 0, source.width, source.height]) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return { canvas, data: context.getImageData(0, 0, canvas.width, canvas.height) };
}

async function take(blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    picture = pixels(bitmap, LONGEST).data;
  } catch {
    $("note").textContent = "Your browser cannot read this picture.";
    return;
  }
  $("note").textContent = "";
  show("original", picture);
  await Promise.all([update(), thumbHash(), blurHash()]);
}

async function update() {
  const tokens = Number($("tokens").value);
  $("number").value = tokens;
  if (!picture || !model) return;
  bytes = encode(picture, model, { tokens, bare: true });
  show("tok", decode(bytes, model, { bare: true, width: picture.width, height: picture.height }));
  caption("tok", `${bytes.length} bytes`);
  $("text").value = `${bytes.length} bytes, base64 ${toBase64(bytes)}`;
  await webP(bytes.length);
}

/** The largest WebP that the browser can make within a number of bytes, enlarged. */
async function webP(most) {
  const made = async (side) => {
    const { canvas } = pixels(whole(), side);
    const blob = await new Promise((good) => canvas.toBlob(good, "image/webp", 0));
    return blob?.type === "image/webp" ? withoutProfile(new Uint8Array(await blob.arrayBuffer())) : null;
  };
  let best = await made(1);
  if (!best) return caption("webp", "not made by this browser");
  const smallest = best.length;
  for (const side of [2, 3, 4, 6, 8, 12, 16, 24, 32]) {
    const next = await made(side);
    if (next.length > most) break;
    best = next;
  }
  if (bytes.length !== most) return undefined; // the slider has moved
  show("webp", pixels(await createImageBitmap(new Blob([best], { type: "image/webp" })), 64).data);
  return caption("webp", smallest > most ? `${smallest} bytes at least: a single colour` : `${best.length} bytes`);
}

/** A WebP without the colour profile of half a kilobyte that browsers add. */
function withoutProfile(file) {
  const view = new DataView(file.buffer);
  for (let at = 12; at < file.length; at += 8 + ((view.getUint32(at + 4, true) + 1) & ~1)) {
    const kind = String.fromCharCode(...file.subarray(at, at + 4));
    if (kind !== "VP8 " && kind !== "VP8L") continue;
    const chunk = file.subarray(at, at + 8 + ((view.getUint32(at + 4, true) + 1) & ~1));
    const out = new Uint8Array(12 + chunk.length);
    out.set(file.subarray(0, 12));
    out.set(chunk, 12);
    new DataView(out.buffer).setUint32(4, 4 + chunk.length, true);
    return out;
  }
  return file;
}

async function thumbHash() {
  try {
    const { rgbaToThumbHash, thumbHashToRGBA } = await import("./node_modules/thumbhash/thumbhash.js");
    const { width, height, data } = pixels(whole(), 100).data;
    const hash = rgbaToThumbHash(width, height, data);
    const { w, h, rgba } = thumbHashToRGBA(hash);
    show("thumbhash", { width: w, height: h, data: rgba });
    caption("thumbhash", `${hash.length} bytes`);
  } catch {
    caption("thumbhash", "(npm install)");
  }
}

async function blurHash() {
  try {
    const { decode: draw, encode: hash } = await import("./node_modules/blurhash/dist/esm/index.js");
    const { width, height, data } = pixels(whole(), 64).data;
    const text = hash(data, width, height, 4, 3);
    show("blurhash", { width: 32, height: 32, data: draw(text, 32, 32) });
    caption("blurhash", `${text.length} characters`);
  } catch {
    caption("blurhash", "(npm install)");
  }
}

function whole() {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

// ---- the gallery: parts of the samples, encoded here, whose images a service worker delays

async function gallery() {
  const [cache] = await Promise.all([caches.open("slow"), navigator.serviceWorker.register("slow.js")]);
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
  }
  const made = [];
  for (let i = 0; i < GALLERY; i++) {
    const name = SAMPLES[i % SAMPLES.length];
    const bitmap = await createImageBitmap(await (await fetched(`samples/${name}.jpg`)).blob());
    const part = 1 - 0.12 * Math.floor(i / SAMPLES.length);
    const [width, height] = [bitmap.width * part, bitmap.height * part];
    const { canvas, data } = pixels(bitmap, 320, [
      (bitmap.width - width) / 2,
      (bitmap.height - height) / 2,
      width,
      height,
    ]);
    const preview = toDataURL(encode(data, model, { tokens: 16, bare: true }), { bare: true, model: model.name });
    const blob = await new Promise((good) => canvas.toBlob(good, "image/jpeg", 0.8));
    await cache.put(`slow/${i}.jpg`, new Response(blob));
    made.push({ width: canvas.width, height: canvas.height, preview, alt: `${name}, part ${i + 1}` });
  }
  return made;
}

let loads = 0;

function load(images) {
  loads++; // the browser caches images by address
  const elements = images.map(({ width, height, preview, alt }, i) => {
    const img = Object.assign(new Image(width, height), { alt });
    img.setAttribute("previewsrc", preview);
    img.src = `slow/${i}.jpg?wait=${FIRST + SLOW * i}&load=${performance.now()}-${loads}`;
    return img;
  });
  $("gallery").replaceChildren(...elements);
}

// ---- events

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    $("note").textContent = "Copied.";
  } catch {
    $("note").textContent = text; // without access to the clipboard, it can be copied by hand
  }
}

$("tokens").addEventListener("input", update);
$("file").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
$("html").addEventListener("click", () => {
  const source = `<img src="photo.jpg" width="${picture.width}" height="${picture.height}" alt=""`;
  copy(`${source} previewsrc="${toDataURL(bytes, { bare: true, model: model.name })}">`);
});
$("command").addEventListener("click", () =>
  copy(`tokcodec encode --bare --base64 --tokens ${$("tokens").value} photo.jpg -o photo.b64`),
);
$("full").addEventListener("click", async () => {
  try {
    model = loadModel(await (await fetched("base-3-256.tokm")).arrayBuffer());
    $("tokens").max = model.tokens;
    $("note").textContent = `${model.tokens} tokens.`;
    await update();
  } catch {
    $("note").textContent = "tokcodec models export-web base-3 --tokens 256 -o base-3-256.tokm makes it.";
  }
});
addEventListener("paste", ({ clipboardData }) => {
  const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (file) take(file);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
});
for (const name of SAMPLES) {
  const button = Object.assign(document.createElement("button"), { textContent: name });
  button.addEventListener("click", async () => take(await (await fetched(`samples/${name}.jpg`)).blob()));
  $("samples").append(button);
}

model = loadModel(await (await fetched("base-3-64.tokm")).arrayBuffer());
start();
await take(await (await fetched(`samples/${SAMPLES[0]}.jpg`)).blob());
try {
  const images = await gallery();
  $("again").addEventListener("click", () => load(images));
  load(images);
} catch {
  $("gallery").textContent = "The gallery needs a service worker: https, or localhost.";
}
document.documentElement.dataset.ready = "true";
