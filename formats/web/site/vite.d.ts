import type { PhotoOptions } from "./preview.js";

/** What Vite and Rollup want of a plug-in. */
export interface PreviewPlugin {
  name: string;
  enforce: "pre";
  load(id: string): Promise<string | null>;
}

/**
 * Imports of `photo.jpg?preview` become the address, the size, the preview and the colour of the picture.
 * @param options of all previews
 */
export function previews(options?: PhotoOptions): PreviewPlugin;
