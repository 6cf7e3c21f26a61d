/** Files as text: base64 and data URLs. */

import { asBytes, check } from "./checks.js";

/** @import { Bytes } from "./checks.js" */

const FIRST_MODEL = "base-2"; // of bare files that do not name their model
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

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
  while (packed[end - 1] === "=") end--; // a regular expression takes quadratic time
  const digits = packed.slice(0, end);
  check(/^[A-Za-z0-9+/]*$/.test(digits) && digits.length % 4 !== 1, "not base64");
  return Uint8Array.from(atob(digits), (c) => c.charCodeAt(0));
}

/**
 * @param {Bytes} bytes of a file
 * @param {{ bare?: boolean, model?: string }} [options] bare: the file is bare; false by default. model: name of a bare
 *   file's model; "base-2" by default
 * @returns {string} a data URL of the type image/x-tok or image/x-tok-bare
 * @throws {RangeError} if the model's name is not of letters, digits, ".", "_" and "-"
 */
export function toDataURL(bytes, { bare = false, model = FIRST_MODEL } = {}) {
  if (!NAME.test(model)) throw new RangeError(`${model} is not a model's name`);
  const type = bare ? `-bare${model === FIRST_MODEL ? "" : `;model=${model}`}` : "";
  return `data:image/x-tok${type};base64,${toBase64(bytes)}`;
}

/**
 * @param {string} url what `toDataURL` returns, also with parameters such as `;charset=utf-8`
 * @returns {{ bytes: Uint8Array<ArrayBuffer>, bare: boolean, model: string | null }} the file, whether it is bare, and
 *   the name of a bare file's model
 * @throws {TokError} if it is another URL
 */
export function fromDataURL(url) {
  const match = /^\s*data:image\/x-tok(-bare)?((?:;[^;,]*)*);base64\s*,([^]*)$/i.exec(url);
  check(match, "not a data URL of the type image/x-tok or image/x-tok-bare");
  const text = match[3].replace(/%(2b|2f|3d|0d|0a|20)/gi, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  const bare = Boolean(match[1]);
  const name = /;model=([^;]*)/i.exec(match[2])?.[1] ?? FIRST_MODEL;
  check(NAME.test(name), "the data URL's parameter model is not a model's name");
  return { bytes: fromBase64(text), bare, model: bare ? name : null };
}
