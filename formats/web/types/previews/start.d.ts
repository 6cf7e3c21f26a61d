/**
 * Shows the previews of a page, also of elements that are added later, in browsers that do not.
 * Does nothing without a page or IntersectionObserver.
 * @param {PreviewOptions} [options]
 * @returns {() => void} stops it and its worker; another `start` of the same root does the same
 * @throws {RangeError} if `size` is none
 */
export function start(options?: PreviewOptions): () => void;
/**
 * the address of a model file, or those of its parts, and its name if `first` does not contain it
 */
export type PageModel = string | URL | {
    first: string | URL;
    rest?: string | URL;
    network?: string | URL;
    name?: string;
};
export type PreviewOptions = {
    /**
     * the page's models, which are fetched when needed; by default base-3 and
     * base-2, whose files are beside the module
     */
    model?: PageModel | PageModel[] | undefined;
    /**
     * address of `tok-worker.js`; by default beside the module
     */
    worker?: string | URL | undefined;
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
