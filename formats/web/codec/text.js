/** Files as text: base64 and data URLs. */

import { asBytes, check } from "./checks.js";

/** @typedef {import("./checks.js").Bytes} Bytes */

/**
 * @param {Bytes} bytes
 * @returns {string} base64 (RFC 4648) with padding
 */
export function toBase64(bytes) {
  return btoa(Array.from(asBytes(bytes), (byte) => String.fromCharCode(byte)).join(""));
}

/**
 * @param {string} text base64 in either alphabet, with or without padding and white space
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TokError} if it is not base64
 */
export function fromBase64(text) {
  const packed = text.replace(/\s+/g, "").replace(/-/g, "+").replace(/_/g, "/");
  let end = packed.length;
  while (packed[end - 1] === "=") end--; // a regular expression would take the square of the length
  const digits = packed.slice(0, end);
  check(/^[A-Za-z0-9+/]*$/.test(digits) && digits.length % 4 !== 1, "not base64");
  return Uint8Array.from(atob(digits), (c) => c.charCodeAt(0));
}

/**
 * @param {Bytes} bytes of a file
 * @param {{ bare?: boolean }} [options] bare: the file is a bare one; false by default
 * @returns {string} a data URL of the type image/x-tok or image/x-tok-bare
 */
export function toDataURL(bytes, { bare = false } = {}) {
  return `data:image/x-tok${bare ? "-bare" : ""};base64,${toBase64(bytes)}`;
}

/**
 * @param {string} url what `toDataURL` returns, also with parameters such as `;charset=utf-8`
 * @returns {{ bytes: Uint8Array<ArrayBuffer>, bare: boolean }} the file, and whether it is a bare one
 * @throws {TokError} if it is another URL
 */
export function fromDataURL(url) {
  const match = /^\s*data:image\/x-tok(-bare)?(?:;[^;,]*)*;base64\s*,([^]*)$/i.exec(url);
  check(match, "not a data URL of the type image/x-tok or image/x-tok-bare");
  const text = match[2].replace(/%(2b|2f|3d|0d|0a|20)/gi, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  return { bytes: fromBase64(text), bare: Boolean(match[1]) };
}
