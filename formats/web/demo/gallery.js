/** Images with previews, parts of the samples, that a service worker sends one by one. */

import { encode } from "../tok-encode.js";
import { toDataURL } from "../tok.js";
import { pixelsOf, reduced } from "./pixels.js";

const NUMBER = 20;
const SLOW = 250; // milliseconds between images, and
const FIRST = 1000; // before the first one

/**
 * @param {string[]} samples names of pictures
 * @param {(name: string) => Promise<ImageBitmap>} read
 * @param {any} model
 * @returns the images, ready to be loaded
 */
export async function makeGallery(samples, read, model) {
  const [cache] = await Promise.all([caches.open("slow"), navigator.serviceWorker.register("slow.js")]);
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
  }
  const made = [];
  for (let i = 0; i < NUMBER; i++) {
    const name = samples[i % samples.length];
    const bitmap = await read(name);
    const part = 1 - 0.12 * Math.floor(i / samples.length);
    const [width, height] = [bitmap.width * part, bitmap.height * part];
    const middle = [(bitmap.width - width) / 2, (bitmap.height - height) / 2, width, height];
    const canvas = reduced(bitmap, 320, middle);
    const bytes = encode(pixelsOf(canvas), model, { tokens: 16, bare: true });
    const preview = toDataURL(bytes, { bare: true, model: model.name });
    const blob = await new Promise((good) => canvas.toBlob(good, "image/jpeg", 0.8));
    await cache.put(`slow/${i}.jpg`, new Response(blob));
    made.push({ width: canvas.width, height: canvas.height, preview, alt: `${name}, part ${i + 1}` });
  }
  return made;
}

let loads = 0;

/** Fills an element with the images, which come again one by one. */
export function load(element, images) {
  loads++; // the browser caches images by address
  const elements = images.map(({ width, height, preview, alt }, i) => {
    const img = Object.assign(new Image(width, height), { alt });
    img.setAttribute("previewsrc", preview);
    img.src = `slow/${i}.jpg?wait=${FIRST + SLOW * i}&load=${performance.now()}-${loads}`;
    return img;
  });
  element.replaceChildren(...elements);
}
