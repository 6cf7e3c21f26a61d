/** A plug-in of Vite: `import photo from "./a.jpg?preview"`. */

import { basename } from "node:path";
import { previewOf } from "./preview.js";

const MARK = "?preview";

/** See vite.d.ts. */
export function previews(options) {
  return {
    name: "tokcodec-previews",
    enforce: "pre", // before Vite takes the picture for an asset
    async load(id) {
      if (!id.endsWith(MARK)) return null;
      const file = id.slice(0, -MARK.length);
      this.addWatchFile(file);
      let photo;
      try {
        photo = await previewOf(file, options);
      } catch (error) {
        return this.error(`${file}: ${error.message.split("\n")[0]}`);
      }
      const address = JSON.stringify(`./${basename(file)}?url`);
      return `import src from ${address};\nexport default { src, ...${JSON.stringify(photo)} };`;
    },
  };
}
