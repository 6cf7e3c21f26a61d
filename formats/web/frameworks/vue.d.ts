/** Vue: types of `<img previewsrc>`, with `import type {} from "tokcodec/vue"` anywhere in the project, and `<Preview>`. */

import type { FunctionalComponent, ImgHTMLAttributes } from "vue";

declare module "vue" {
  interface ImgHTMLAttributes {
    /** A data URL of a preview. */
    previewsrc?: string | undefined;
  }
}

/** An `img` with a preview. The first one on a page starts the previews; `colour` is shown before its preview. */
export const Preview: FunctionalComponent<ImgHTMLAttributes & { colour?: string | undefined }>;
