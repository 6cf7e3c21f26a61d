/** `<img previewsrc>` in JSX of React: `import type {} from "tokcodec/react"` anywhere in the project. */

import "react";

declare module "react" {
  interface ImgHTMLAttributes<T> {
    /** A data URL of a preview. */
    previewsrc?: string | undefined;
  }
}
