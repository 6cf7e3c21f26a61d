/** The page index.html: placeholders of a picture side by side, and a gallery on a slow connection. */

import { start } from "../tok-preview.js";
import { loadModel } from "../tok.js";
import { load, makeGallery } from "./gallery.js";
import { KINDS } from "./kinds.js";
import { scaled, show } from "./pixels.js";

const SAMPLES = ["cat", "coffee", "astronaut", "rocket"];
const LONGEST = 512; // pixels of the longer side of what is encoded: two tiles, as many as 200 bytes fill

const $ = (id) => document.getElementById(id);
const say = (text) => ($("note").textContent = text);

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return answer;
}
const sample = async (name) => (await fetched(`samples/${name}.jpg`)).blob();

/** Cards of the placeholders by id. */
function makeCards() {
  return new Map(
    Object.entries(KINDS).map(([id, { name }]) => {
      const card = $("card").content.firstElementChild.cloneNode(true);
      card.id = id;
      const canvas = card.querySelector("canvas");
      canvas.setAttribute("aria-label", `As ${name}`);
      card.querySelector("b").textContent = name;
      const button = card.querySelector("button");
      button.addEventListener("click", () => copy(button.value));
      $("cards").append(card);
      return [id, { canvas, size: card.querySelector("span"), button }];
    }),
  );
}

let latest = 0;

/** Takes a picture: shows it, and all placeholders of it. */
async function take(blob) {
  const turn = ++latest;
  let canvas;
  try {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    canvas = scaled(bitmap, LONGEST / Math.max(width, height), [0, 0, width, height]);
  } catch {
    say("Your browser cannot read this picture.");
    return;
  }
  say("");
  const original = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  show($("original"), original);
  $("cards").style.setProperty("--shape", `${canvas.width} / ${canvas.height}`);
  for (const [id, card] of cards) {
    card.button.disabled = true;
    card.size.textContent = "…";
    await new Promise((painted) => setTimeout(painted)); // each takes a tenth of a second
    try {
      const made = await KINDS[id].make(canvas, model);
      if (turn !== latest) return; // another picture has come
      show(card.canvas, made.drawn);
      card.size.textContent = made.size;
      Object.assign(card.button, { value: made.text, disabled: false });
    } catch (error) {
      show(card.canvas, { width: 1, height: 1, data: [0, 0, 0, 0] });
      card.size.textContent = error.message;
    }
  }
  document.documentElement.dataset.shown = String(turn);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say(text); // without access to the clipboard, it can be copied by hand
  }
}

$("file").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
$("html").addEventListener("click", () => {
  const { width, height } = $("original");
  copy(
    `<img src="photo.jpg" width="${width}" height="${height}" alt="" previewsrc="${cards.get("tok26").button.value}">`,
  );
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
  button.addEventListener("click", async () => take(await sample(name)));
  $("samples").append(button);
}

const cards = makeCards();
const model = loadModel(await (await fetched("base-3-64.tokm")).arrayBuffer());
start();
await take(await sample(SAMPLES[0]));
try {
  const images = await makeGallery(SAMPLES, async (name) => createImageBitmap(await sample(name)), model);
  $("again").addEventListener("click", () => load($("gallery"), images));
  load($("gallery"), images);
} catch {
  $("gallery").textContent = "The gallery needs a service worker: https, or localhost.";
}
document.documentElement.dataset.ready = "true";
