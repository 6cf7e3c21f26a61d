/** @typedef {import("./checks.js").Bytes} Bytes */
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
 * @param {{ bare?: boolean }} [options] bare: the file is a bare one; false by default
 * @returns {string} a data URL of the type image/x-tok or image/x-tok-bare
 */
export function toDataURL(bytes: Bytes, { bare }?: {
    bare?: boolean;
}): string;
/**
 * @param {string} url what `toDataURL` returns, also with parameters such as `;charset=utf-8`
 * @returns {{ bytes: Uint8Array<ArrayBuffer>, bare: boolean }} the file, and whether it is a bare one
 * @throws {TokError} if it is another URL
 */
export function fromDataURL(url: string): {
    bytes: Uint8Array<ArrayBuffer>;
    bare: boolean;
};
export type Bytes = import("./checks.js").Bytes;
