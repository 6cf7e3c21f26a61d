/**
 * @param {Map<HTMLImageElement, Preview>} previews the page's; one that is replaced or removed is no longer drawn
 * @param {QueueOptions} options
 * @returns {{ add: (preview: Preview) => void, next: () => void }} `add` takes a preview that came near the view, `next`
 *   looks again for what is to be drawn
 */
export function queue(previews: Map<HTMLImageElement, Preview>, { addresses, size, ask, show, fail }: QueueOptions): {
    add: (preview: Preview) => void;
    next: () => void;
};
/** @import { Background } from "./background.js" */
/** @import { ModelFiles } from "./models.js" */
/** @typedef {import("./job.js").PreparedPreview} PreparedPreview */
/**
 * @typedef {object} Preview of an image whose own picture is not there yet
 * @property {HTMLImageElement} img
 * @property {string} url of the preview
 * @property {Background} background
 * @property {boolean} near whether it is near the view
 * @property {number} seen counts when it came into view; 0 outside
 * @property {PreparedPreview | null} prepared
 * @property {number} stage what was drawn of it: nothing, ROUGH or FINE
 * @property {number} shown
 */
/**
 * @typedef {object} QueueOptions
 * @property {(string | ModelFiles)[]} addresses of the page's models
 * @property {number} size pixels of a rough preview's longer side
 * @property {(job: import("./job.js").PreviewJob) => Promise<Blob | null>} ask draws with the network, elsewhere
 * @property {(preview: Preview, address: string, wanted: () => boolean) => Promise<void>} show
 * @property {(error: unknown, img: HTMLImageElement) => void} fail
 */
export const FINEST: 512;
export type PreparedPreview = import("./job.js").PreparedPreview;
/**
 * of an image whose own picture is not there yet
 */
export type Preview = {
    img: HTMLImageElement;
    /**
     * of the preview
     */
    url: string;
    background: Background;
    /**
     * whether it is near the view
     */
    near: boolean;
    /**
     * counts when it came into view; 0 outside
     */
    seen: number;
    prepared: PreparedPreview | null;
    /**
     * what was drawn of it: nothing, ROUGH or FINE
     */
    stage: number;
    shown: number;
};
export type QueueOptions = {
    /**
     * of the page's models
     */
    addresses: (string | ModelFiles)[];
    /**
     * pixels of a rough preview's longer side
     */
    size: number;
    /**
     * draws with the network, elsewhere
     */
    ask: (job: import("./job.js").PreviewJob) => Promise<Blob | null>;
    show: (preview: Preview, address: string, wanted: () => boolean) => Promise<void>;
    fail: (error: unknown, img: HTMLImageElement) => void;
};
import type { Background } from "./background.js";
import type { ModelFiles } from "./models.js";
