/**
 * Checks a preview and fetches what it needs.
 * @param {PreviewJob} job
 * @param {NetworkOf | null} network null: the job is not `fine`
 * @returns {Promise<PreparedPreview | null>} null with `fine` if the first drawing cannot be improved
 * @throws {Error} if the data URL is bad, or the model is not there
 */
export function prepare({ addresses, url, size, fine }: PreviewJob, network: NetworkOf | null): Promise<PreparedPreview | null>;
export type PreviewJob = {
    /**
     * of model files, one for each model
     */
    addresses: (string | ModelFiles)[];
    /**
     * a data URL
     */
    url: string;
    /**
     * pixels of the longer side
     */
    size: number;
    /**
     * draw with all parts of the model, and with its network
     */
    fine?: boolean | undefined;
};
export type PreparedPreview = {
    /**
     * makes a bitmap
     */
    draw: () => Blob;
    /**
     * of its model
     */
    files: ModelFiles;
    /**
     * whether `fine` draws a better one
     */
    more: boolean;
};
import type { NetworkOf } from "../codec/draw.js";
import type { ModelFiles } from "./models.js";
