/**
 * @param {ModelFiles[]} all models of the page; their first parts are fetched until the file's one is found
 * @param {Uint8Array} bytes a file
 * @param {string | null} name of a bare file's model
 * @returns {Promise<{ files: ModelFiles, model: Model }>} the file's model, with its first part alone
 * @throws {Error} if there is none, or it cannot be fetched
 */
export function findModel(all: ModelFiles[], bytes: Uint8Array, name: string | null): Promise<{
    files: ModelFiles;
    model: Model;
}>;
export function withParts(files: ModelFiles, rest: boolean, network: boolean): Promise<Model>;
/**
 * Waits until further parts may be fetched: on a slow link, until the page has loaded or takes very long.
 * @param {string} address of the first part
 * @returns {Promise<boolean>} false if they should not be fetched at all, to save data
 */
export function spare(address: string): Promise<boolean>;
/**
 * addresses of a model's files
 */
export type ModelFiles = {
    /**
     * the first tokens, or a whole model
     */
    first: string;
    /**
     * the other codewords
     */
    rest?: string | undefined;
    /**
     * the network of a look
     */
    network?: string | undefined;
    /**
     * of the model; without it the address of `first` is searched for the name
     */
    name?: string | undefined;
};
import type { Model } from "../codec/model.js";
