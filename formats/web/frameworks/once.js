/** Starts the previews of a page with its first component. */

import { start } from "../tok-preview.js";

let started = false;

export function startOnce() {
  if (!started) start();
  started = true;
}
