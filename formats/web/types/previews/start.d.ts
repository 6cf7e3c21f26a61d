/**
 * Shows the previews of a page, also of elements that are added later, in browsers that do not.
 * Does nothing without a page or IntersectionObserver.
 * @param {PreviewOptions} [options]
 * @returns {() => void} stops it and its worker; another `start` of the same root does the same
 * @throws {RangeError} if `size` is none
 */
export function start(options?: PreviewOptions): () => void;
export type PreviewOptions = {
    /**
     * addresses of the page's model files, which are fetched when
     * needed; by default those of `base-3-64.tokm` and `base-2-64.tokm` beside the module
     */
    model?: string | URL | (string | URL)[] | undefined;
    /**
     * pixels of a first preview's longer side, 1..512; 64 by default
     */
    size?: number | undefined;
    /**
     * the one that holds the preview; by default `previewsrc`, else `data-previewsrc`
     */
    attribute?: string | undefined;
    /**
     * where the images are; the document by default
     */
    root?: ShadowRoot | Element | Document | undefined;
    /**
     * takes each failure; by default the console takes
     * one warning for each cause
     */
    onError?: ((error: Error, img: HTMLImageElement) => void) | undefined;
};
export type Preview = {
    url: string;
    background: Background;
};
import { Background } from "./background.js";
