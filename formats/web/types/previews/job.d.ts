/**
 * Draws the preview of a data URL.
 * @param {PreviewJob} job
 * @returns {Promise<Blob | null>} null with `fine` where the model has no network, or where that would take long
 */
export function draw({ addresses, url, size, fine }: PreviewJob): Promise<Blob | null>;
export type Model = import("../codec/model.js").Model;
export type PreviewJob = {
    /**
     * of model files, one for each model
     */
    addresses: string[];
    /**
     * a data URL
     */
    url: string;
    /**
     * pixels of the longer side
     */
    size: number;
    /**
     * draw it with the model's network instead of the sum of the codewords alone
     */
    fine?: boolean | undefined;
};
