/** `<img previewsrc>` in Svelte: `import type {} from "tokcodec/svelte"` anywhere in the project. */

import "svelte/elements";

declare module "svelte/elements" {
  interface HTMLImgAttributes {
    /** A data URL of a preview. */
    previewsrc?: string | undefined | null;
  }
}
