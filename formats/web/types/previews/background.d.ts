export class Background {
    /** @param {HTMLImageElement} img */
    constructor(img: HTMLImageElement);
    /**
     * Shows a picture once it is ready to be drawn.
     * @param {string} address a data URL, or one of `URL.createObjectURL`, which ends with the picture
     * @param {() => boolean} wanted whether it is still to be shown then
     * @param {() => boolean} over whether to hide what the element paints itself: its image before the last change of src
     * @throws {Error} if the browser cannot show it
     */
    show(address: string, wanted: () => boolean, over: () => boolean): Promise<void>;
    /** Lets the element paint its own image over the picture. */
    uncover(): void;
    /** Shows what the page has set alone. */
    remove(): void;
    #private;
}
