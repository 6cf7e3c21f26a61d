/** The worker that previews/drawer.js starts. */

import { draw } from "./previews/files.js";

self.onmessage = async ({ data: { id, job } }) => {
  try {
    self.postMessage({ id, blob: await draw(job) });
  } catch (error) {
    self.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
