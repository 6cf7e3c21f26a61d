/** @typedef {{ value: string, priority: string, ours: string }} Style what the page set, and what we set */
export class Background {
    /** @param {HTMLImageElement} img */
    constructor(img: HTMLImageElement);
    img: HTMLImageElement;
    /**
     * Shows a picture once it is ready to be drawn.
     * @param {Blob} blob
     * @param {() => boolean} wanted whether it is still to be shown then
     */
    show(blob: Blob, wanted: () => boolean): Promise<void>;
    /** Gives the page its own styles back, where they are still ours. */
    remove(): void;
    #private;
}
/**
 * what the page set, and what we set
 */
export type Style = {
    value: string;
    priority: string;
    ours: string;
};
