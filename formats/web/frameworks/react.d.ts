/** React: types of `<img previewsrc>`, with `import type {} from "tokcodec/react"` anywhere in the project, and `<Preview>`. */

import type { ComponentProps, ReactElement } from "react";

declare module "react" {
  interface ImgHTMLAttributes<T> {
    /** A data URL of a preview. */
    previewsrc?: string | undefined;
  }
}

/** An `img` with a preview. The first one on a page starts the previews; `colour` is shown before its preview. */
export function Preview(props: ComponentProps<"img"> & { colour?: string | undefined }): ReactElement;
