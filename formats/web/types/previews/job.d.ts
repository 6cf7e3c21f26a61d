/**
 * @param {PreviewJob} job
 * @returns {Promise<Blob | null>} null with `fine` if the model has no network or the file has too many tiles for it
 */
export function draw({ addresses, url, size, fine }: PreviewJob): Promise<Blob | null>;
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
     * draw with the model's network
     */
    fine?: boolean | undefined;
};
