/**
 * @param {Bytes} bytes
 * @returns {string} base64 (RFC 4648) with padding
 */
export function toBase64(bytes: Bytes): string;
/**
 * @param {string} text base64 in either alphabet, with or without padding and white space
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TokError} if it is not base64
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer>;
/**
 * @param {Bytes} bytes of a file
 * @param {{ bare?: boolean, model?: string }} [options] bare: the file is bare; false by default. model: name of a bare
 *   file's model; "base-2" by default
 * @returns {string} a data URL of the type image/x-tok or image/x-tok-bare
 * @throws {RangeError} if the model's name is not of letters, digits, ".", "_" and "-"
 */
export function toDataURL(bytes: Bytes, { bare, model }?: {
    bare?: boolean;
    model?: string;
}): string;
/**
 * @param {string} url what `toDataURL` returns, also with parameters such as `;charset=utf-8`
 * @returns {{ bytes: Uint8Array<ArrayBuffer>, bare: boolean, model: string | null }} the file, whether it is bare, and
 *   the name of a bare file's model
 * @throws {TokError} if it is another URL
 */
export function fromDataURL(url: string): {
    bytes: Uint8Array<ArrayBuffer>;
    bare: boolean;
    model: string | null;
};
import type { Bytes } from "./checks.js";
