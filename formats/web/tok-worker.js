/** The worker that tok-drawer.js starts. */

import { draw } from "./tok-bitmap.js";

self.onmessage = async ({ data: { id, job } }) => {
  try {
    self.postMessage({ id, blob: await draw(job) });
  } catch (error) {
    self.postMessage({ id, error: String(error.message) });
  }
};
