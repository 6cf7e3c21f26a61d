/** `<img previewsrc>` in Astro: `import type {} from "tokcodec/astro"` anywhere in the project. */

export {};

declare global {
  namespace astroHTML.JSX {
    interface ImgHTMLAttributes {
      /** A data URL of a preview. */
      previewsrc?: string | undefined | null;
    }
  }
}
