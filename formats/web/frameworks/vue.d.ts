/** `<img previewsrc>` in templates and JSX of Vue: `import type {} from "tokcodec/vue"` anywhere in the project. */

import "vue";

declare module "vue" {
  interface ImgHTMLAttributes {
    /** A data URL of a preview. */
    previewsrc?: string | undefined;
  }
}
