/**
 * Shows the previews of a page, also of elements that are added later, in browsers that do not.
 * Does nothing without a page or IntersectionObserver.
 * @param {PreviewOptions} [options]
 * @returns {() => void} stops it and its worker; another `start` does the same
 */
export function start(options?: PreviewOptions): () => void;
export type PreviewOptions = {
    /**
     * addresses of the page's model files, which are fetched when
     * needed; by default that of `base-2-64.tokm` beside the module
     */
    model?: string | URL | (string | URL)[] | undefined;
    /**
     * pixels of a first preview's longer side, 1..512; 64 by default
     */
    size?: number | undefined;
};
export type Preview = {
    url: string;
    background: Background;
};
import { Background } from "./background.js";
