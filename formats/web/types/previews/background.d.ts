/** @typedef {{ value: string, priority: string, ours: string }} Style the page's value and ours */
export class Background {
    /** @param {HTMLImageElement} img */
    constructor(img: HTMLImageElement);
    img: HTMLImageElement;
    /**
     * Shows a picture once it is ready to be drawn.
     * @param {Blob} blob
     * @param {() => boolean} wanted whether to show it then
     */
    show(blob: Blob, wanted: () => boolean): Promise<void>;
    /** Restores the page's styles that are still ours. */
    remove(): void;
    #private;
}
/**
 * the page's value and ours
 */
export type Style = {
    value: string;
    priority: string;
    ours: string;
};
