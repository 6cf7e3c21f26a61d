/** Encodes pictures as `.tok` files. */

export { encode } from "./codec/encode.js";
