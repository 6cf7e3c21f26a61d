export { encode } from "./codec/encode.js";
